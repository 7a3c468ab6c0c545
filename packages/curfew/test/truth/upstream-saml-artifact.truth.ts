import { truthOf } from './hostile.ts'

truthOf('upstream-saml-artifact')
