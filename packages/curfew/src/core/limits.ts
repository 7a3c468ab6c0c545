/** Bounds of the core, one place. */

/** Most participants of one session. A further application is refused the sign-in, no other is forgotten. */
export const participantsPerSessionMax = 500
/** Most deliveries of one run, repeats included. */
export const deliveriesPerRunMax = 1_000
/** Most attempts kept of one delivery; older ones are summarised by their count. */
export const attemptsKeptMax = 50
/** How often an ending is planned again because the session changed meanwhile. */
export const planAgainMax = 10
/** Longest landing address that is considered, in characters. */
export const redirectTargetCharactersMax = 2048

/** OpenID clients that registered themselves, at once. */
export const registeredClientsMax = 10_000
