# Runs at every boot of the guest, early and as root, from the newest seed. What goes wrong is a line in $errors, which
# the report service reads.
set -u
umask 022
errors=/run/jeos/errors
changed=
mkdir -p /run/jeos
: >"$errors"

fail() {
	echo "jeos: $*" >&2
	printf '%s' "$*" | tr '\n' ' ' >>"$errors"
	echo >>"$errors"
}

# put PATH MODE: makes PATH hold what is on standard input, at once or not at all.
put() {
	mkdir -p "${1%/*}"
	if ! { cat >"$1.new" && chmod "$2" "$1.new"; }; then
		fail "cannot write $1"
	elif cmp -s "$1.new" "$1"; then
		rm -f "$1.new"
	else
		mv -f "$1.new" "$1" && changed=yes
	fi
}

# data_disks: standard input holds lines of fstab, parents before children. Makes a file system where there is nothing,
# mounts what is as it should be, and makes these lines the ones in fstab that are marked as jeos's.
data_disks() {
	while read -r device directory kind rest; do
		prepare_disk "$device" "$kind" && printf '%s\n' "$device $directory $kind $rest"
	done >/run/jeos/fstab
	grep '[ ,]x-jeos[ ,]' /etc/fstab | grep -vxFf /run/jeos/fstab | while read -r _ directory _; do
		umount -R "$(printf '%b' "$directory")" 2>/dev/null # it may be gone with its disk
	done
	[ -e /etc/fstab ] || : >/etc/fstab
	if {
		grep -v '[ ,]x-jeos[ ,]' /etc/fstab
		[ $? -lt 2 ] && cat /run/jeos/fstab
	} >/run/jeos/fstab.whole; then
		put /etc/fstab 644 </run/jeos/fstab.whole
	else
		fail "cannot read /etc/fstab"
	fi
	while read -r device directory _; do
		mount_disk "$device" "$(printf '%b' "$directory")"
	done </run/jeos/fstab
}

# prepare_disk DEVICE FILESYSTEM: succeeds if the disk holds such a file system, or does now.
prepare_disk() {
	if ! wait_for "$1"; then
		fail "data disk $1 is not there"
		return 1
	fi
	if is_blank "$1"; then
		make_filesystem "$1" "$2" || return
	fi
	found=$(blkid -p -o value -s TYPE "$1")
	[ "$found" = "$2" ] && return
	fail "data disk $1 is not blank and has no $2 file system (found: ${found:-none}): it is left alone;" \
		"declare what it holds, or clear it with wipefs if nothing on it is needed"
	return 1
}

# mount_disk DEVICE DIRECTORY
mount_disk() {
	is_mounted "$1" "$2" && return
	mkdir -p "$2"
	if message=$(mount "$2" 2>&1); then
		/usr/local/lib/jeos/grow "$(basename "$(readlink -f "$1")")" # it may be a kept disk of another size
	else
		is_mounted "$1" "$2" || fail "data disk $1: $message"
	fi
}

wait_for() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -b "$1" ] && return
		udevadm settle --timeout=1
		sleep 1
	done
	[ -b "$1" ]
}

is_mounted() {
	[ "$(findmnt -n -o SOURCE -M "$2")" = "$(readlink -f "$1")" ]
}

# is_blank DEVICE: no mark of a file system, partition table or volume manager, and nothing but zeros where marks are.
is_blank() {
	blkid -p "$1" >/dev/null 2>&1
	[ $? -eq 2 ] || return
	size=$(blockdev --getsize64 "$1") &&
		cmp -s -n 1048576 "$1" /dev/zero &&
		cmp -s -n 1048576 -i $((size - 1048576)):0 "$1" /dev/zero
}

# make_filesystem DEVICE FILESYSTEM
make_filesystem() {
	if ! command -v "mkfs.$2" >/dev/null; then
		fail "data disk $1: the image has no mkfs.$2 to make its file system with"
		return 1
	fi
	message=$("mkfs.$2" -q "$1" 2>&1 </dev/null) && return
	fail "data disk $1: mkfs.$2: $message"
	return 1
}

finish() {
	wants=/etc/systemd/system/multi-user.target.wants
	mkdir -p "$wants"
	ln -sf ../jeos-report.service "$wants/jeos-report.service"
	if [ "$changed" ]; then
		systemctl daemon-reload
		udevadm control --reload
		systemctl --no-block restart jeos-report.service
	else
		systemctl --no-block start jeos-report.service
	fi
}

# role NAME: standard input is the script of the role, see role.sh. No name: there is none, but there may have been one.
# The guest is not ready before the service has ended.
role() {
	if [ "$1" ] || [ -e /var/lib/jeos/role ]; then
		mkdir -p /run/jeos/role
		chmod 700 /run/jeos/role
		(umask 077 && cat >/run/jeos/role/script)
		: >/run/jeos/work
		sh /run/jeos/role/script early </dev/null
		if ! systemctl --no-block start jeos-role.service; then
			fail "cannot start jeos-role.service"
			rm -f /run/jeos/work
		fi
	fi
}

