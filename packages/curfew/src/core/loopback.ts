/**
 * True for a host whose traffic stays inside the machine. `localhost` and what lies below it counts by its name:
 * browsers take it to this machine, whatever a name server says.
 * @param host - as `URL` has it in `hostname`, so that an address has one form
 */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.[0-9.]+$/.test(host)
}
