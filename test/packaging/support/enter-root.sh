#!/bin/sh
# Runs a command in a root of its own; called in fresh namespaces for mounts and processes, with which all of it ends.
#
#   enter-root.sh plain BASE STATE SHARED COMMAND...     writes go to STATE, BASE stays as it is
#   enter-root.sh systemd BASE STATE SHARED              the same, with systemd as the first process
#   enter-root.sh image ROOT SHARED USER COMMAND...      nothing can be written but /tmp and SHARED
#   enter-root.sh clean STATE                            removes what a killed systemd leaves in the kernel
#
# SHARED is /mnt in the root.
set -eu

kind=$1 root=$2
shift 2

# The control groups of a systemd are below one of their own, in the one hierarchy that has no controllers to lose.
mount_groups() { mount -t cgroup2 cgroup2 "$1"; }
group=$(basename -- "${1:-$root}")
if [ "$kind" = clean ]; then
  mount_groups /sys/fs/cgroup
  cd "/sys/fs/cgroup/$group" 2> /dev/null || exit 0
  # Its processes are killed already; the kernel takes a moment to have them gone.
  for _ in $(seq 100); do
    grep -q '^populated 1' cgroup.events || break
    sleep 0.1
  done
  find "/sys/fs/cgroup/$group" -depth -type d -exec rmdir {} +
  exit
fi

# A container's devices, no others.
make_devices() {
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/shm" "$root/dev/pts"
  ln -s /proc/self/fd "$root/dev/fd"
  mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
}

if [ "$kind" = image ]; then
  shared=$1 user=$2
  shift 2
  mkdir -p "$root/dev" "$root/proc" "$root/mnt"
  mount --bind "$root" "$root"
  make_devices
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount --bind "$shared" "$root/mnt"
  mount -o remount,bind,ro "$root"
  exec env -i PATH=/usr/bin:/bin HOME=/tmp /usr/sbin/chroot --userspec="$user" --groups= "$root" "$@"
fi

base=$root state=$1 shared=$2
shift 2
root=$state/root
mkdir -p "$state/upper" "$state/work" "$root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$state/upper,workdir=$state/work" "$root"
make_devices
mount -t proc proc "$root/proc"
mkdir -p "$root/mnt"
mount --bind "$shared" "$root/mnt"
environment='PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8'
# shellcheck disable=SC2086 # several variables
[ "$kind" = systemd ] || exec env -i $environment /usr/sbin/chroot "$root" "$@"

mount -t sysfs sys "$root/sys"
mount_groups "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/$group"
echo 0 > "$root/sys/fs/cgroup/$group/cgroup.procs"
umount "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
touch "$root/dev/console"
mount --bind "$state/console" "$root/dev/console"
mkdir "$root/run/old"
cd "$root"
pivot_root . run/old
# From here on its group is the root of all groups.
# shellcheck disable=SC2086 # several variables
exec env -i $environment container=test unshare --cgroup sh -euc '
  umount -l /run/old
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  exec /lib/systemd/systemd --log-target=console --unit=basic.target'
