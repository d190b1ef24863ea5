/** A systemd timer for regular backups, as text. */

/** Units that call the program with the given arguments at a time of systemd's calendar format. */
export function systemdUnits(programPath: string, args: readonly string[], onCalendar: string): string {
  const command = [programPath, ...args].map(quote).join(' ');
  return `# /etc/systemd/system/orthanc-mirror-backup.service
[Unit]
Description=Backup of the Orthanc of this host
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=${command}
# A backup that is ended starts the server again first.
TimeoutStopSec=10min
Nice=10
IOSchedulingClass=idle

# /etc/systemd/system/orthanc-mirror-backup.timer
[Unit]
Description=Regular backup of the Orthanc of this host

[Timer]
OnCalendar=${onCalendar}
RandomizedDelaySec=10min
Persistent=true

[Install]
WantedBy=timers.target

# then: systemctl daemon-reload && systemctl enable --now orthanc-mirror-backup.timer`;
}

/** Quotes as systemd reads it: `%` begins a specifier and `$` a variable. */
function quote(argument: string): string {
  const escaped = argument
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return /^[\w/.:=@%+,-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}
