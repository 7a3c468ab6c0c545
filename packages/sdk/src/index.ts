export type { StreamFetch } from './application-feed.ts'
export { expressGuard, type GuardedRequest } from './express-guard.ts'
export { fastifyGuard } from './fastify-guard.ts'
export type { Admission, Guard } from './guard.ts'
export { type CloseConnection, type CloseReason, sessionOverCode } from './held-connections.ts'
export { bodyBytesMax, type GuardRequest, type GuardResponse } from './http.ts'
export type { ClientSecret } from './client-secret.ts'
export { type IdentityProvider, readIdentityProvider } from './identity-provider.ts'
export { createMemorySessionRegistry, type RegistryLimits, registryLimits, sessionsMax } from './memory-session-registry.ts'
export { type ClientCertificate, createMutualTls, type MutualTls, type MutualTlsOptions, type SecureContext } from './mutual-tls.ts'
export { type GuardResult, guardNode, nodeRequest, writeNode } from './node-guard.ts'
export { createOpenTokenAgent, type OpenTokenAgent, type OpenTokenAgentOptions, type OpenTokenUser } from './opentoken-agent.ts'
export {
  createOpenTokenApplication,
  type OpenTokenApplication,
  type OpenTokenApplicationOptions,
  type OpenTokenEvent,
  type OpenTokenPaths,
  openTokenPaths
} from './opentoken-application.ts'
export type { Fetch, OpenIdProvider } from './openid-provider.ts'
export {
  createRelyingParty,
  type RelyingParty,
  type RelyingPartyEvent,
  type RelyingPartyOptions,
  type RelyingPartyPaths,
  relyingPartyPaths
} from './openid-relying-party.ts'
export {
  createServiceProvider,
  defaultPaths,
  type GuardEvent,
  type ServiceProvider,
  type ServiceProviderOptions,
  type ServiceProviderPaths,
  type UnsolicitedResponses
} from './saml-service-provider.ts'
export type { SessionCheckOptions } from './session-check.ts'
export { sessionEndedMessage } from './session-check-script.ts'
export { createRedisSessionRegistry, type RedisRegistryOptions } from './redis-session-registry.ts'
export { type ConformanceOptions, type RegistryCheck, registryConformance } from './registry-conformance.ts'
export type { AppSession, LogoutSubject, SessionRegistry, SpareKind } from './session-registry.ts'
export {
  createSessionGuard,
  type EndedSessions,
  type FeedClient,
  type FeedOptions,
  type FeedSettings,
  type GuardStatus,
  type SessionGuard,
  type SessionGuardEvent,
  type SessionGuardOptions,
  staleMsDefault
} from './session-guard.ts'
export type { SiteData } from './protected-guard.ts'
