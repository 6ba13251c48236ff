# Makes this guest what its role says: its files are there, some units run and others must not. Runs at every boot, as root
# and twice: "early" by the boot script, and "late" when cloud-init has ended, with its packages and accounts. Late does
# all of it again, and finds nothing to do where early could do it. Only what is wrong then is an error.
#
# Early is in cloud-init's network stage: network cards may be up before it. What holds until then is that a new guest
# forwards nothing, as nothing has told its kernel to, and that a guest which was up before has started the units of its
# last boot with their files by itself, in the order that they ask for.
#
# Early is part of cloud-init's start, so it must wait for no unit that waits for that or for the network to be online. It
# only asks units to start; those that need others say so themselves. Stopping waits for no unit's start.
set -u
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
phase=$1
run=/run/jeos/role
work=/run/jeos/work
errors=/run/jeos/errors
lines=/usr/local/lib/jeos/apply
failed=

# What outlives a boot: files, enabled and disabled list what is to be undone when it is not wanted any more, and pending
# is there while what was written is not in effect.
state=/var/lib/jeos/role

# ---- what people see ----

# stage TEXT: what is done from now on. While the file is there the guest is not ready.
stage() {
	[ "$phase" = early ] || echo "role $role: $*" >"$work"
}

# wrong TEXT
wrong() {
	failed=yes
	echo "$phase: $*"
	if [ "$phase" = late ]; then
		printf '%s' "role $role: $*" | tr '\n' ' ' | cut -c 1-500 >>"$errors"
	fi
}

# ---- lists ----

# note LIST NAME: adds a name to what is to be undone one day.
note() {
	grep -qxF -- "$2" "$state/$1" 2>/dev/null || printf '%s\n' "$2" >>"$state/$1"
}

# unwanted LIST WANTED: prints the names in the list that are not wanted.
unwanted() {
	[ ! -e "$state/$1" ] || grep -vxFf "$run/$2" "$state/$1"
}

# settle LIST WANTED: what was not wanted is gone.
settle() {
	[ -e "$state/$1" ] || return 0
	grep -xFf "$run/$2" "$state/$1" >"$state/$1.new"
	mv -f "$state/$1.new" "$state/$1"
}

# ---- the parts of the work ----

# wanted LIST: standard input holds the names that are wanted, one a line.
wanted() {
	cat >"$run/$1"
}

begin() {
	mkdir -p "$state" "$run"
	exec >>"$run/log" 2>&1
	[ "$phase" = early ] || trap 'rm -f "$work"' EXIT
}

# retire stops units that only an earlier role wanted, with that role's files still there, and allows those that it forbade.
retire() {
	stage "stopping what is not wanted any more"
	unwanted enabled enable | while IFS= read -r unit; do
		change disable --now "$unit"
	done
	settle enabled enable
	unwanted disabled disable | while IFS= read -r unit; do
		change unmask "$unit"
	done
	settle disabled disable
	stage "writing files"
}

# file PATH MODE OWNER: standard input holds the content in base64. The file gets it at once or not at all.
file() {
	new=${1%/*}/.${1##*/}.jeos-new
	if ! message=$({ mkdir -p "${1%/*}/" && rm -f "$new" && (umask 077 && base64 -d >"$new") &&
		chown "$3" "$new" && chmod "$2" "$new"; } 2>&1); then
		wrong "cannot write $1: $message"
	elif ! is_same "$new" "$1"; then
		note files "$1"
		message=$({ touch "$state/pending" && mv -fT "$new" "$1"; } 2>&1) || wrong "cannot write $1: $message"
	fi
	rm -f "$new"
}

# is_same NEW OLD: content, mode and owner.
is_same() {
	[ -f "$2" ] && [ ! -L "$2" ] && cmp -s "$1" "$2" && [ "$(stat -c '%a %u %g' "$1")" = "$(stat -c '%a %u %g' "$2")" ]
}

# forget removes the files of an earlier role.
forget() {
	unwanted files files >"$run/old"
	while IFS= read -r path; do
		touch "$state/pending"
		rm -f "$path" || wrong "cannot remove $path"
	done <"$run/old"
	settle files files
}

# apply runs the role's lines. Their output may hold what is in the role's files.
apply() {
	for line in "$lines"/*; do
		[ -e "$line" ] || continue
		stage "apply ${line##*/}"
		(cd / && sh "$line") >"$run/output" 2>&1 </dev/null
		status=$?
		cat "$run/output"
		[ "$status" -ne 0 ] || continue
		if [ "$secret" ]; then
			wrong "apply ${line##*/} failed with status $status (its output is not shown, because it may hold a secret)"
		else
			wrong "apply ${line##*/} failed with status $status: $(tail -n 1 "$run/output")"
		fi
	done
}

# change ARGUMENT…: as systemctl, but systemd gets to know of it with all other changes at once, which saves it much work.
change() {
	touch "$run/changed"
	systemctl --no-reload "$@"
}

# forbid keeps everybody from starting the units that must not run. They need not be there.
forbid() {
	while IFS= read -r unit; do
		stage "forbidding $unit"
		[ "$(systemctl is-enabled "$unit")" != masked ] || continue
		note disabled "$unit"
		change disable "$unit"
		change mask "$unit" || wrong "cannot mask $unit"
	done <"$run/disable"
}

# allow has the units start at every boot that should run. One that was enabled before is not noted: it is not the role's.
allow() {
	while IFS= read -r unit; do
		stage "enabling $unit"
		if ! systemctl is-enabled --quiet "$unit"; then
			note enabled "$unit"
			change enable "$unit" || wrong "cannot enable $unit"
		elif [ -e "$state/pending" ]; then
			change enable "$unit" # its targets may be others
		fi
	done <"$run/enable"
}

stop_units() {
	while IFS= read -r unit; do
		stage "stopping $unit"
		systemctl stop "$unit"
		! systemctl is-active --quiet "$unit" || wrong "cannot stop $unit"
	done <"$run/disable"
}

# start_units has the units run that should, with their newest files.
start_units() {
	verb=start
	[ ! -e "$state/pending" ] || verb=restart
	while IFS= read -r unit; do
		stage "starting $unit"
		if [ "$phase" = early ]; then
			systemctl --no-block "$verb" "$unit" || wrong "cannot start $unit"
		else
			systemctl "$verb" "$unit"
			is_up "$unit" || wrong "$unit does not run; see: journalctl -u $unit"
		fi
	done <"$run/enable"
}

# is_up UNIT: it runs, or has done the one thing that it is for. It may be about to.
is_up() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		systemctl is-active --quiet "$1" && return
		case $(systemctl show --property=ActiveState,Result,Type "$1" | sort | tr '\n' ' ') in
		'ActiveState=inactive Result=success Type=oneshot ') return 0 ;;
		*ActiveState=failed*) return 1 ;;
		esac
		sleep 1
	done
	return 1
}

# finish: after the files.
finish() {
	forget
	forbid
	allow
	if [ -e "$state/pending" ] || [ -e "$run/changed" ]; then
		systemctl daemon-reload
		rm -f "$run/changed"
	fi
	[ ! -e "$state/pending" ] || apply
	stop_units
	start_units
	[ "$failed" ] || rm -f "$state/pending"
	[ "$failed$role" ] || rm -rf "$state"
}
