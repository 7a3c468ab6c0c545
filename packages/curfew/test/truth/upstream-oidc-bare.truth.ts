import { truthOf } from './hostile.ts'

truthOf('upstream-oidc-bare')
