# Makes an image of this guest: installs, removes, writes and runs what the files in $bake ask for, checks that it is so,
# takes out what must not be the same in two guests, and switches the guest off. Runs once, as root, when cloud-init has
# ended. What goes wrong is in $errors, and $work is there as long as it goes on: the report service reads both.
set -u
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none
export NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 # whatever is restarted, it must not be this
bake=/run/jeos/bake
work=/run/jeos/work
errors=/run/jeos/errors
told=/run/jeos/told
log=$bake/log
outcome=

# ---- what people see ----

# stage TEXT: what is done from now on.
stage() {
	echo "bake: $*" >"$work"
	: >"$log"
	console "$*"
}

# console TEXT: a line for whoever looks on; there may be no console.
console() {
	printf 'jeos: bake: %s\n' "$*" >/dev/console 2>/dev/null
}

# fail TEXT
fail() {
	console "failed: $*"
	printf 'bake: %s' "$*" | tr '\n' ' ' | cut -c 1-500 >>"$errors"
	return 1
}

# fail_with TEXT: fail, and the last lines of what the programs of this stage said.
fail_with() {
	fail "$*"
	tail -c 16384 "$log" | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 14 | cut -c 1-500 >"$bake/tail"
	while IFS= read -r line; do
		console "$line"
		printf '%s\n' "$line" >>"$errors"
	done <"$bake/tail"
	return 1
}

# fail_about NAME TEXT: fail_with, unless the file NAME holds secrets that might have been said.
fail_about() {
	name=$1
	shift
	if grep -qx "$name" "$bake/secret" 2>/dev/null; then
		fail "$* (its output is not shown, because it may hold a secret)"
	else
		fail_with "$*"
	fi
}

# ---- the parts of the work ----

# begin: nobody else may use apt, start what is installed, or switch this guest off.
begin() {
	stage "keeping others away"
	if [ ! -e "$bake/first-boot" ]; then
		fail "the guest was started again in the middle of its work"
		return 1
	fi
	mkdir -p /run/systemd/logind.conf.d
	printf '[Login]\nHandlePowerKey=ignore\n' >/run/systemd/logind.conf.d/jeos.conf
	systemctl try-restart systemd-logind.service
	set -- qemu-guest-agent.service unattended-upgrades.service apt-daily.timer apt-daily.service apt-daily-upgrade.timer
	systemctl mask --runtime "$@" apt-daily-upgrade.service
	systemctl stop "$@" # but not the upgrade, which may be in the middle of something
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
		: >"$bake/policy"
	fi
	if ! tr -d ' \n' </run/cloud-init/result.json | grep -q '"errors":\[\]'; then
		fail "cloud-init ended in an error"
		return 1
	fi
}

# apt ARGUMENT…: apt-get with answers for all its questions, and without lists that nobody needs. Its output is in
# $bake/apt, too.
apt() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do
		apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
			-o Dpkg::Options::=--force-confold -o Acquire::Retries=3 -o APT::Update::Error-Mode=any \
			-o Acquire::Languages=none -o Acquire::IndexTargets::deb-src::Sources::DefaultEnabled=false "$@" >"$bake/apt" 2>&1
		status=$?
		cat "$bake/apt"
		[ "$status" -eq 0 ] && return
		grep -q 'Could not get lock\|Unable to lock\|Unable to acquire the dpkg' "$bake/apt" || return "$status"
		sleep 5
	done
	return "$status"
}

# sources: has cloud-init change where packages come from, and remembers what that was before.
sources() {
	[ -e "$bake/apt.cfg" ] || return 0
	stage "setting up apt"
	if ! { cp -a /etc/apt "$bake/apt.before" &&
		cloud-init --file "$bake/apt.cfg" single --name apt_configure --frequency always &&
		cp -a /etc/apt "$bake/apt.during"; }; then
		fail_about apt "cannot set up apt"
	fi
}

# restore_sources: undoes in /etc/apt what sources did there, and nothing else.
restore_sources() {
	[ -d "$bake/apt.during" ] || return 0
	for tree in before during; do
		(cd "$bake/apt.$tree" && find . ! -type d)
	done | sort -u >"$bake/apt.all"
	while IFS= read -r file; do
		cmp -s "$bake/apt.before/$file" "$bake/apt.during/$file" && continue
		[ ! -f "/etc/apt/$file" ] || shred -n 0 -z "/etc/apt/$file" || return # it may hold a password
		if [ -e "$bake/apt.before/$file" ] || [ -L "$bake/apt.before/$file" ]; then
			mkdir -p "/etc/apt/${file%/*}" && cp -a "$bake/apt.before/$file" "/etc/apt/$file" || return
		else
			rm -f "/etc/apt/$file" || return
		fi
	done <"$bake/apt.all"
}

# update: a source that cannot be read is an error, of which older versions of apt say nothing in their status.
update() {
	[ -s "$bake/packages" ] || [ -s "$bake/kernel" ] || [ -e "$bake/upgrade" ] || return 0
	stage "fetching the lists of packages"
	if ! apt update || grep -q '^[WE]: Failed to fetch' "$bake/apt"; then
		fail_about apt "apt cannot fetch the lists of packages"
	fi
}

upgrade() {
	[ -e "$bake/upgrade" ] || return 0
	stage "upgrading what is installed"
	apt upgrade --with-new-pkgs || fail_about apt "apt cannot upgrade what is installed"
}

install_packages() {
	set --
	if [ -s "$bake/packages" ]; then
		while read -r name; do
			set -- "$@" "$name"
		done <"$bake/packages"
	fi
	if [ -s "$bake/kernel" ]; then
		kernel=$(kernel_package) || return
		set -- "$@" "$kernel"
	fi
	[ $# -gt 0 ] || return 0
	stage "installing packages"
	apt install --allow-downgrades "$@" && return
	unknown=$(sed -n "
		s/^E: Unable to locate package //p
		s/^E: Package '\(.*\)' has no installation candidate\$/\1/p
		s/^E: Version '\(.*\)' for '\(.*\)' was not found\$/\2=\1/p" "$bake/apt" | sort -u | tr '\n' ' ')
	if [ "$unknown" ]; then
		fail "apt has nothing to install by these names: $unknown"
	else
		fail_about apt "apt cannot install the packages"
	fi
}

remove_packages() {
	[ -s "$bake/remove" ] || return 0
	stage "removing packages"
	set --
	while read -r name; do
		is_installed "${name%%=*}" && set -- "$@" "${name%%=*}"
	done <"$bake/remove"
	[ $# -eq 0 ] || apt purge "$@" || fail_with "apt cannot remove the packages"
}

# write_files: the files whose owners may have come with the packages.
write_files() {
	[ -s "$bake/files" ] || return 0
	stage "writing files"
	while IFS=/ read -r number mode owner path; do
		new=$path.jeos-new
		if ! { mkdir -p "${path%/*}/" && cp "$bake/file-$number" "$new" && chown "$owner" "$new" && chmod "$mode" "$new" &&
			mv -f "$new" "$path"; }; then
			fail_with "cannot write $path"
			return 1
		fi
	done <"$bake/files"
}

run() {
	[ -s "$bake/run" ] || return 0
	stage "running commands"
	(cd / && sh "$bake/run" </dev/null)
	status=$?
	line=$(cat "$bake/line")
	if [ "$status" -ne 0 ]; then
		fail_about run "command $line of run failed with status $status"
	elif [ "$line" != all ]; then
		fail_about run "command $line of run ends the script, and the others would not run"
	fi
}

# ---- the kernel ----

# kernel_package prints the package that stands for the newest kernel of the wanted kind.
kernel_package() {
	machine=$(dpkg --print-architecture)
	# shellcheck source=/dev/null
	system=$(. /etc/os-release && echo "$ID")
	case $system/$(cat "$bake/kernel") in
	ubuntu/generic) echo linux-image-generic ;;
	ubuntu/virtual) echo linux-image-virtual ;;
	debian/generic) echo "linux-image-$machine" ;;
	debian/virtual) echo "linux-image-cloud-$machine" ;;
	*) fail "no $(cat "$bake/kernel") kernel is known for $system; write kernel = \"keep\"" ;;
	esac
}

# kernel_version PACKAGE prints the version of the kernel that such a package depends on, "6.8.0-139-generic".
kernel_version() {
	package=$1
	for _ in 1 2 3; do
		next=
		for name in $(dpkg-query -W -f '${Depends}' "$package" | sed 's/[,|] */\n/g' | sed 's/[ (:].*//'); do
			is_installed "$name" || continue
			case $name in
			linux-image-[0-9]* | linux-image-unsigned-[0-9]*)
				name=${name#linux-image-}
				echo "${name#unsigned-}"
				return
				;;
			linux-image-*) next=$name ;;
			esac
		done
		[ "$next" ] || break
		package=$next
	done
	return 1
}

# drop_kernels: only the wanted kernel stays. The others go last, so that run had the modules of the one that runs.
drop_kernels() {
	[ -s "$bake/kernel" ] || return 0
	stage "removing other kernels"
	kernel=$(kernel_package) || return
	if ! version=$(kernel_version "$kernel"); then
		fail "$kernel is installed, but no kernel with it"
		return 1
	fi
	others=$(other_kernels "$version")
	if [ "$others" ] || [ -e /etc/default/grub.d/40-force-partuuid.cfg ]; then
		echo "linux-base linux-base/removing-running-kernel boolean false" | debconf-set-selections
		# shellcheck disable=SC2086 # names of packages
		[ -z "$others" ] || apt purge $others || fail_with "apt cannot remove the other kernels" || return
		echo "linux-base linux-base/removing-running-kernel boolean true" | debconf-set-selections
		rm -f /etc/default/grub.d/40-force-partuuid.cfg # of linux-kvm, which boots without an initramfs
		if ! { [ -e "/boot/initrd.img-$version" ] || update-initramfs -c -k "$version"; } || ! update-grub; then
			fail_with "cannot make the kernel $version the one that boots"
			return 1
		fi
	fi
	for file in /boot/vmlinuz-*; do
		if [ "$file" != "/boot/vmlinuz-$version" ] || [ ! -e "$file" ]; then
			fail "the kernel should be $version, and /boot holds: $(cd /boot && echo vmlinuz-*)"
			return 1
		fi
	done
}

# other_kernels VERSION prints the installed packages of kernels that are not the wanted one.
other_kernels() {
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'linux-*' | sed -n 's/^installed //p' | while read -r name; do
		case $name in
		*-"$1") [ "$(cat "$bake/kernel")/$name" = "virtual/linux-modules-extra-$1" ] && echo "$name" ;;
		linux-image-[0-9]* | linux-image-unsigned-[0-9]* | linux-modules-[0-9]* | linux-modules-extra-[0-9]*) echo "$name" ;;
		linux-kvm* | linux-image-kvm* | linux-headers-kvm* | linux-headers-[0-9]*-kvm) echo "$name" ;;
		esac
	done
}

# ---- proof ----

# is_installed PACKAGE
is_installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# is_provided PACKAGE: it is a name that an installed package has beside its own.
is_provided() {
	dpkg-query -W -f '${db:Status-Status}, ${Provides}\n' | sed -n 's/^installed, //p' | tr ',' '\n' | sed 's/^ *//; s/ .*//' |
		grep -qxF "${1%%:*}"
}

# check: all that should be installed is, and nothing that should not be. apt passes over some wishes in silence, and later
# ones undo earlier ones.
check() {
	stage "checking the packages"
	missing=
	left=
	if [ -s "$bake/packages" ]; then
		while read -r name; do
			name=${name%%=*}
			is_installed "$name" || is_provided "$name" || missing="$missing $name"
		done <"$bake/packages"
	fi
	if [ -s "$bake/remove" ]; then
		while read -r name; do
			is_installed "${name%%=*}" && left="$left ${name%%=*}"
		done <"$bake/remove"
	fi
	[ -z "$missing" ] || fail "in the end these packages are not installed:$missing"
	[ -z "$left" ] || fail "in the end these packages are still installed:$left"
	[ -z "$missing$left" ]
}

# list_packages: the disk for it is filled with NUL.
list_packages() {
	stage "listing the packages"
	device=/dev/disk/by-id/virtio-jeos-manifest
	dpkg-query -W -f '${db:Status-Status} ${binary:Package}\t${Version}\n' | sed -n 's/^installed //p' | sort >"$bake/manifest"
	size=$(wc -c <"$bake/manifest")
	if [ ! -b "$device" ]; then
		fail "the disk for the list of packages is not there"
	elif [ "$size" -eq 0 ] || [ "$size" -gt "$(blockdev --getsize64 "$device")" ]; then
		fail_with "the list of packages, $size bytes, does not fit on its disk"
	else
		dd if="$bake/manifest" of="$device" bs=65536 conv=fsync 2>&1 || fail_with "cannot write the list of packages"
	fi
}

# ---- sealing ----

# seal takes out what must not be the same in two guests, and all that jeos and the bake put in for themselves.
seal() {
	stage "sealing the image"
	restore_sources || fail_with "cannot restore /etc/apt" || return
	[ ! -e "$bake/policy" ] || rm -f /usr/sbin/policy-rc.d
	apt-get clean
	rm -rf /var/lib/apt/lists/*
	rm -f /var/cache/apt/*.bin
	forget_cloud_init || fail_with "cannot clean up after cloud-init" || return
	rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
	: >/etc/machine-id
	[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
	[ "$(cat /etc/hostname)" != bake ] || echo localhost >/etc/hostname
	if grep -q '^InitiatorName=' /etc/iscsi/initiatorname.iscsi 2>/dev/null; then
		echo GenerateName=yes >/etc/iscsi/initiatorname.iscsi
	fi
	rm -rf /usr/local/lib/jeos /etc/systemd/system/jeos-report.service
	rm -f /etc/systemd/system/*.wants/jeos-report.service
	find /tmp /var/tmp -xdev -mindepth 1 -delete
	rm -f /root/.bash_history /root/.lesshst /root/.viminfo /root/.wget-hsts
	wipe
	sync
	fstrim -a # what was deleted would take space in the image
	[ ! -s /etc/machine-id ] || fail "/etc/machine-id cannot be emptied"
}

# forget_cloud_init makes the next boot a first one. The report service goes on reading how this one ended.
forget_cloud_init() {
	for name in status result; do
		cp -L "/run/cloud-init/$name.json" "$bake/$name.json" && mv -f "$bake/$name.json" "/run/cloud-init/$name.json" || return
	done
	find /var/lib/cloud -xdev -type f -exec shred -n 0 -z {} + || return # the recipe may hold secrets
	cloud-init clean --logs --seed || return
	rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init* /etc/systemd/network/10-cloud-init-* \
		/etc/NetworkManager/system-connections/cloud-init-* /etc/udev/rules.d/70-persistent-net.rules
	if [ -e /root/.ssh/authorized_keys ] && [ ! -s /root/.ssh/authorized_keys ]; then
		rm -f /root/.ssh/authorized_keys
		rmdir --ignore-fail-on-non-empty /root/.ssh
	fi
}

# wipe removes what a running system writes all the time: logs, leases and seeds of random numbers.
wipe() {
	journalctl --relinquish-var || journalctl --rotate # it has its files open
	rm -rf /var/log/journal/*
	find /var/log -xdev -type f -exec truncate -s 0 {} +
	rm -f /var/lib/dhcp/*.lease* /var/lib/dhcpcd/*.lease* /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key
	rm -rf /var/lib/systemd/network/* /var/lib/systemd/credential.secret
	rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed /boot/efi/loader/random-seed
}

# ---- the whole ----

make_image() {
	begin && sources && update && upgrade && install_packages && remove_packages && write_files && run && drop_kernels &&
		check && list_packages && seal
}

# leave waits until the host knows the outcome, and switches off without stopping anything: services would write to the
# disk when they are stopped.
leave() {
	trap - EXIT
	if [ -z "$outcome" ]; then
		fail "it ended before its time" # the log may hold a secret
	fi
	rm -f "$work"
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		[ ! -e "$told" ] || break
		sleep 2
	done
	if [ "$outcome" = made ]; then
		wipe
	fi
	sync
	systemctl --force poweroff
}

exec </dev/null
: >"$log"
exec >>"$log" 2>&1
trap leave EXIT
trap 'trap - EXIT; exit 1' TERM
if make_image; then
	outcome=made
	console "done"
else
	outcome=failed
fi
