/** An option that has to be an address. @throws TypeError that says which one is none: a variable of the environment that is not set */
export function requireAddress(name: string, value: string): void {
  if (typeof value !== 'string' || !URL.canParse(value)) throw new TypeError(`${name} has to be an address such as https://wiki.example.com; it is ${value}`)
}
