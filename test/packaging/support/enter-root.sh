#!/bin/sh
# Runs a command in a root of its own; called in fresh namespaces for mounts and processes, with which all of it ends.
#
#   enter-root.sh plain|systemd BASE STATE SHARED COMMAND...   writes go to STATE, BASE stays as it is
#   enter-root.sh image ROOT SHARED USER COMMAND...            nothing can be written but /tmp and SHARED
#
# SHARED is /mnt in the root.
set -eu

kind=$1 root=$2
shift 2
# A container's devices, no others.
make_devices() {
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/shm" "$root/dev/pts"
  ln -s /proc/self/fd "$root/dev/fd"
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

# What systemd needs as the first process: control groups of its own, and a root that is the root of its mounts.
mount -t sysfs sys "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
touch "$root/dev/console"
mount --bind "$state/console" "$root/dev/console"
mkdir -p "$root/run/old"
cd "$root"
pivot_root . run/old
# shellcheck disable=SC2086 # several variables
exec env -i $environment container=test sh -c 'umount -l /run/old && exec "$@"' sh "$@"
