import type { Brand } from '../../authority/pages/brand.ts'
import { html, trusted } from '../../authority/pages/html.ts'
import type { Language } from '../../authority/pages/messages.ts'
import { languageNames } from '../../authority/pages/page.ts'
import { albumPath, schemes, statePath } from './page-file.ts'
import type { PageState, Section } from './state.ts'

export interface AlbumParts {
  readonly brand: Brand
  readonly language: Language
  readonly languages: readonly Language[]
  readonly sections: readonly Section[]
}

/** By this an album is known again, so that it may be written over. */
export const albumMark = '<meta name="generator" content="curfew brand preview">'

/** All states of all pages side by side, light and dark. Each frame can be pulled to any width at its corner. */
export function albumPage({ brand, language, languages, sections }: AlbumParts): string {
  const others = languages
    .filter((other) => other !== language)
    .map((other) => html`<a href="${albumPath(other, languages)}" hreflang="${other}">${languageNames[other]}</a> `)
  const parts = sections.map(({ title }, i) => html`<a href="#part-${i}">${title}</a> `)
  const shown = sections.map(({ title, states }, i) => html`<h2 id="part-${i}">${title}</h2>${states.map((state) => stateFigure(state, language))}`)
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">${trusted(albumMark)}<title>Pages of ${brand.organisation}, ${languageNames[language]}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${trusted(style)}</style></head>
<body><h1>Pages of ${brand.organisation}, ${languageNames[language]}</h1><p>Names and numbers are examples. Links, buttons and forms are off. Pull a frame at its corner to see the page at another width.</p><nav>${parts}</nav>${others.length > 0 && html`<nav>${others}</nav>`}
${shown}</body></html>
`.toString()
}

function stateFigure({ id, when }: PageState, language: Language) {
  const frames = schemes.map((scheme) => {
    const path = statePath(id, language, scheme)
    return html`<div><a href="${path}">${scheme}</a><div class="frame"><iframe src="${path}" title="${id}, ${scheme}" sandbox loading="lazy"></iframe></div></div>`
  })
  return html`<section id="${id}"><h3>${id}</h3><p>${when}</p><div class="pair">${frames}</div></section>
`
}

const style = `
:root{color-scheme:light dark}
body{font:100%/1.5 system-ui,sans-serif;margin:1rem auto;max-width:100rem;padding:0 1rem}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:.5rem 0}
h2{margin:2.5rem 0 .5rem;border-top:2px solid;padding-top:.75rem}
h3{margin:1.5rem 0 0;font-size:1rem}
p{margin:.25rem 0 .5rem}
.pair{display:flex;flex-wrap:wrap;gap:1rem}
.frame{width:23.5rem;max-width:100%;height:34rem;min-width:12rem;resize:both;overflow:hidden;border:1px solid #888}
iframe{border:0;width:100%;height:100%;display:block}
`.replaceAll('\n', '')
