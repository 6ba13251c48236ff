package openvpn

// group are directives of which nothing is kept, for one reason.
type group struct {
	do     func(p *parser, d directive, reason string)
	reason string
	names  string // separated by blanks
}

// onTheirOwn is the reason of routine.
const onTheirOwn = "The configuration that jeos writes sees to it, so it is dropped."

// groups returns the directives that are known and not kept. It does no harm if one is missing: it is dropped all the same,
// though without being named.
func groups() []group {
	drop, own, refuse := (*parser).notice, (*parser).routine, (*parser).problem
	return []group{
		{own, onTheirOwn, `client tls-client pull nobind persist-key persist-tun resolv-retry auth-nocache auth-retry
			connect-retry connect-retry-max connect-timeout server-poll-timeout keepalive ping ping-restart ping-exit ping-timer-rem
			verb mute mute-replay-warnings suppress-timestamps tun-ipv6 ignore-unknown-option disable-dco redirect-gateway route-nopull`},
		{own, "It is for another system than Linux, so it is dropped.", `block-outside-dns register-dns route-method ip-win32 dhcp-renew
			dhcp-release dhcp-pre-release tap-sleep win-sys windows-driver show-net-up service pause-exit allow-nonadmin`},
		{own, "OpenVPN has no such directive any more, so it is dropped.", `key-method keysize no-iv no-replay ncp-disable prng
			max-routes`},

		{drop, "OpenVPN has no such check of the server any more, so it is dropped. Today's are remote-cert-tls and verify-x509-name.", `tls-remote ns-cert-type`},
		{drop, "Programs that a profile names are not run, so it is dropped.", `up down up-delay up-restart down-pre route-up route-pre-down
			ipchange tls-verify auth-user-pass-verify client-connect client-disconnect client-crresponse learn-address
			tls-crypt-v2-verify iproute script-security dns-updown setenv-safe tls-export-cert`},
		{drop, "Code that a profile names is not loaded, so it is dropped.", `plugin engine providers`},
		{drop, "The guest runs OpenVPN in its own way, with rights, files and a log of its own, so it is dropped.", `user group chroot cd daemon
			log log-append syslog writepid status status-version nice mlock setcon tmp-dir machine-readable-output errors-to-stderr echo
			inactive tls-exit single-session session-timeout remap-usr1 memstats persist-local-ip persist-remote-ip preresolve
			replay-persist`},
		{drop, "Nothing may control OpenVPN from outside, so it is dropped.", `management management-client management-client-auth
			management-client-group management-client-pf management-client-user management-forget-disconnect management-hold
			management-log-cache management-query-passwords management-query-proxy management-query-remote management-signal management-up-down`},
		{drop, "Which way packets take is not for the profile to say, so it is dropped.", `route route-ipv6 route-gateway route-ipv6-gateway
			route-delay route-metric route-noexec route-table redirect-private client-nat block-ipv6 allow-pull-fqdn
			allow-recursive-routing block-local vlan-tagging`},
		{drop, "Which addresses the tunnel has is for the server to say, so it is dropped.", `ifconfig ifconfig-ipv6 ifconfig-noexec
			ifconfig-nowarn lladdr`},
		{drop, "Which resolvers the guests ask is for jeos's own files to say, so it is dropped.", `dhcp-option dns`},
		{drop, "OpenVPN's sockets are bound in one way only, so that the packet filter knows their packets, so it is dropped.", `local lport bind
			bind-dev mark multihome float passtos dev-node mtu-disc mtu-test`},
		{drop, "It tells the server more than it needs to know, so it is dropped.", `push-peer-info auth-token auth-token-user`},
		{drop, "A passphrase is never asked for, so it is dropped.", `askpass`},
		{drop, "Certificates are taken from the profile and the files beside it only, so it is dropped.", `capath dh`},
		{drop, "It makes up a new name for the server at every attempt, while addresses are looked up once, so it is dropped.", `remote-random-hostname`},
		{drop, "It is not among the directives that jeos keeps, so it is dropped.", `compat-mode comp-noadapt disable-occ opt-verify
			max-packet-size tun-max-mtu bcast-buffers tcp-nodelay tcp-queue-limit hash-size shaper x509-track use-prediction-resistance
			auth-user-pass-optional no-name-remapping compat-names keying-material-exporter force-tls-key-material-export gremlin test-crypto
			genkey help version mktun rmtun show-adapters show-ciphers show-digests show-engines show-gateway show-groups show-net
			show-pkcs11-ids show-tls show-valid-subnets disable iroute iroute-ipv6 max-clients max-routes-per-client connect-freq
			connect-freq-initial client-cert-not-required verify-client-cert username-as-common-name x509-username-field ccd-exclusive
			auth-gen-token auth-gen-token-secret ifconfig-push ifconfig-ipv6-push ifconfig-pool-linear ifconfig-pool-persist push-remove
			push-reset stale-routes-check vlan-accept vlan-pvid`},

		{refuse, "The profile reads another file as part of itself. Write the contents of that file in its place.", `config`},
		{refuse, "The profile goes through a proxy, whose packets could not be told from others. Ask the provider for a profile without one.", `http-proxy
			http-proxy-option http-proxy-retry http-proxy-timeout http-proxy-user-pass socks-proxy socks-proxy-retry`},
		{refuse, "The key or a secret is outside of the profile, where the guest cannot get at it. Ask the provider for a profile with its own key.", `pkcs11-id
			pkcs11-id-management pkcs11-providers pkcs11-pin-cache pkcs11-private-mode pkcs11-protected-authentication pkcs11-cert-private
			cryptoapicert management-external-key management-external-cert`},
		{refuse, "At every connection somebody would have to answer a question, and there is nobody. Ask the provider for a profile without.", `static-challenge`},
		{refuse, "The profile uses one shared key for all times instead of TLS (secret), which newer versions of OpenVPN do not. Ask for a profile with certificates.", `secret`},
		{refuse, "This is the configuration of a server. Name that of a client.", `server server-ipv6 server-bridge tls-server mode push client-to-client
			client-config-dir ifconfig-pool ifconfig-ipv6-pool duplicate-cn port-share`},
	}
}
