/** Asks all processes of a group to end. If there are none any more, nothing happens. */
export function stopGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGTERM')
  } catch {}
}
