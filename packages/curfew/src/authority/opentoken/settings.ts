export type OpenTokenCipherSuite = 'aes-128' | 'aes-256' | '3des'

/** How a token travels; `reference`: not at all, the application picks the attributes up server to server. */
export type OpenTokenTransport = 'query' | 'cookie' | 'form' | 'reference'

/** What an adapter has in either role; the names are those of the replaced product where it has one. */
export interface AdapterSettings {
  readonly id: string
  readonly name?: string | undefined
  readonly logoUrl?: string | undefined
  readonly homeUrl?: string | undefined
  readonly domains?: readonly string[] | undefined
  /** Both sides know it; keys derive from it. */
  readonly password: string
  readonly cipherSuite?: OpenTokenCipherSuite | undefined
  readonly transport?: OpenTokenTransport | undefined
  readonly tokenName?: string | undefined
  readonly tokenSeconds?: number | undefined
  readonly sessionSeconds?: number | undefined
  readonly notBeforeToleranceSeconds?: number | undefined
  readonly cookie?:
    | {
        readonly domain?: string | undefined
        readonly path?: string | undefined
        readonly secure?: boolean | undefined
        readonly httpOnly?: boolean | undefined
        readonly sameSite?: 'lax' | 'strict' | 'none' | undefined
      }
    | undefined
  readonly logoutService?: string | undefined
  /** Name of the parameter that carries the resume path to the application. */
  readonly resumeParameter?: 'both' | 'resumePath' | 'resume' | undefined
  /** What counts as the application's word that it ended its session. */
  readonly confirmation?: 'return' | 'answer' | undefined
  /** What the application says at `/ext/ref/pickup` and `/ext/ref/dropoff`. */
  readonly reference?: { readonly username: string; readonly password: string } | undefined
  /** Attribute of the token: attribute of the user. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

/** SP adapter: an application that people open from here. */
export interface ApplicationSettings extends AdapterSettings {
  /** Where the application takes tokens; a sign-in that names no page ends here. */
  readonly targetUrl: string
  /** Further origins of the application that `TargetResource` may lead to. */
  readonly origins?: readonly string[] | undefined
  /** Attribute that becomes the subject; absent: the user name. */
  readonly subject?: string | undefined
  /** Where people who come for the first time sign in with the account that they have there. */
  readonly accountLinkService?: string | undefined
  /** Query parameter with the subject, beside the token. */
  readonly subjectParameter?: string | undefined
}

/** IdP adapter: an application that signs people in. */
export interface LoginSettings extends AdapterSettings {
  /** Where browsers are sent to sign in. */
  readonly authenticationService: string
  readonly accountLinking?: 'off' | 'offered' | 'required' | undefined
}
