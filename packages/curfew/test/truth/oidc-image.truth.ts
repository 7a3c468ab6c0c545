import { truthOf } from './hostile.ts'

truthOf('oidc-image')
