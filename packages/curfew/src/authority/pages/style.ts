import type { Brand, BrandTokens } from './brand.ts'

/** The one style sheet of all pages, set inline with a nonce so that a page is one request. */
export function styleSheet(brand: Brand): string {
  return `
:root{color-scheme:light dark;${tokens(brand.light)}}
@media (prefers-color-scheme:dark){:root{${tokens(brand.dark)}}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{font:100%/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;-webkit-text-size-adjust:100%}
body{margin:0;min-height:100vh;background:var(--background);color:var(--text);display:flex;flex-direction:column;align-items:center}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:1rem;background:var(--surface);padding:.5rem 1rem;z-index:1}
header,footer{width:100%;max-width:40rem;padding:1.25rem 1rem 0}
header{display:flex;gap:.75rem;align-items:center;font-weight:600}
header img{height:2rem;width:auto}
main{width:100%;max-width:40rem;padding:1rem;flex:1}
footer{padding-bottom:1.5rem;color:var(--muted);font-size:.9rem}
footer ul{list-style:none;padding:0;margin:0;display:flex;flex-wrap:wrap;gap:.25rem 1rem}
.card{background:var(--surface);border-radius:.75rem;padding:1.5rem;border:1px solid color-mix(in srgb,var(--muted) 30%,transparent)}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem;text-wrap:balance}
h2{font-size:1.1rem;margin:1.5rem 0 .5rem}
p{margin:.5rem 0;overflow-wrap:anywhere}
a{color:var(--accent)}
h1 .muted{display:block;font-size:1.15rem}
.muted{color:var(--muted);font-weight:400}
.time{white-space:nowrap}
.list{list-style:none;margin:1rem 0 0;padding:0}
.list>li{display:flex;gap:.75rem;align-items:center;padding:.75rem 0;border-top:1px solid color-mix(in srgb,var(--muted) 30%,transparent);flex-wrap:wrap}
.list>li>.button{max-width:calc(100% - 3rem)}
.list .name{font-weight:600;flex:1 1 8rem;overflow-wrap:anywhere}
.list .long{flex-basis:14rem}
.badge{width:2.25rem;height:2.25rem;border-radius:.5rem;display:inline-grid;place-items:center;font-weight:700;color:var(--accent);border:1px solid var(--accent);flex:none}
img.badge{border:0;object-fit:contain}
.state{flex:1 1 9rem;display:block;padding-inline-start:1.5em;text-indent:-1.5em}
.mark{display:inline-block;width:1.5em;font-weight:700;text-indent:0}
.good{color:var(--good)}.bad{color:var(--bad)}
.verdict{font-size:1.15rem;padding:.75rem 1rem;border-inline-start:.35rem solid var(--muted);margin:0 0 1rem;display:block}
.verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}
button,.button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.1rem;border-radius:.5rem;border:2px solid var(--accent);background:var(--surface);color:var(--accent);cursor:pointer;text-decoration:none;display:inline-block}
button.primary,.button.primary{background:var(--accent);color:var(--onAccent)}
.small button,.small .button{min-height:2rem;padding:.15rem .7rem;font-size:.95rem}
.actions{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.25rem}
.list .actions{flex:1 0 100%;margin:0;padding-inline-start:3rem}
@media (max-width:30rem){.list .actions{padding:0}}
:focus-visible{outline:3px solid var(--accent);outline-offset:3px}
label{display:block;font-weight:600;margin:1rem 0 .25rem}
input[type=text],input[type=password]{font:inherit;width:100%;min-height:2.75rem;padding:.5rem .75rem;border-radius:.5rem;border:1px solid var(--muted);background:var(--surface);color:var(--text)}
label.check{display:flex;gap:.6rem;align-items:center;font-weight:400}
input[type=checkbox]{flex:none;width:1.35rem;height:1.35rem;accent-color:var(--accent)}
ul.links{list-style:none;padding:0;margin:1.25rem 0 0;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem}
ul.links a{display:inline-block;padding:.25rem 0}
.frames{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.frames iframe{border:0;width:1px;height:1px}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:.75rem 0}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
@media (forced-colors:active){.badge,.card{border-color:CanvasText}}
@media (prefers-reduced-motion:no-preference){.working .mark{animation:turn 1.2s linear infinite}@keyframes turn{to{transform:rotate(1turn)}}}
`.replaceAll('\n', '')
}

function tokens(set: BrandTokens): string {
  return Object.entries(set)
    .map(([name, value]) => `--${name}:${String(value)};`)
    .join('')
}
