#include "report/page/html_report.h"

namespace salf::report {

const char* const kStyle = R"css(
:root{color-scheme:light;--paper:#fff;--ink:#1c2430;--soft:#586374;--rule:#d9dee6;--card:#f6f8fa;--frozen:#dfe9f5;
--c0:#1f6fb4;--c1:#c8641b;--c2:#2e8b57;--c3:#8a4fb0;--cold:#a9c4e2;--warm:#e08a3c;--good:#1d7a45;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;--paper:#14181f;--ink:#e6e9ee;
--soft:#a3adbb;--rule:#333c48;--card:#1c222b;--frozen:#22344a;--c0:#6cb2ee;--c1:#f0a05a;--c2:#6fca97;--c3:#c69be6;
--cold:#3f6389;--warm:#c9762c;--good:#6fca97;--bad:#ff8a80}}
:root[data-theme=dark]{color-scheme:dark;--paper:#14181f;--ink:#e6e9ee;--soft:#a3adbb;--rule:#333c48;--card:#1c222b;
--frozen:#22344a;--c0:#6cb2ee;--c1:#f0a05a;--c2:#6fca97;--c3:#c69be6;--cold:#3f6389;--warm:#c9762c;--good:#6fca97;--bad:#ff8a80}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,"Segoe UI",Roboto,"Noto Sans",
"Hiragino Sans","Noto Sans CJK JP","Yu Gothic",sans-serif;overflow-wrap:anywhere}
:root[data-lang=en] [lang=ja],:root[data-lang=ja] [lang=en],:root[data-lang=en] .ja,:root[data-lang=ja] .en{display:none}
header,main,footer{max-width:1360px;margin:0 auto;padding:0 20px}
header{padding-top:22px;display:flex;flex-wrap:wrap;gap:8px 20px;align-items:baseline}
h1{font-size:1.55rem;margin:0;flex:1 1 auto}
h2{font-size:1.25rem;margin:0 0 .6rem;padding-top:1.6rem;border-top:1px solid var(--rule)}
h3{font-size:1.02rem;margin:0 0 .5rem}
section{margin-top:1.6rem}section:first-of-type{margin-top:.4rem}section:first-of-type h2{border-top:0;padding-top:.8rem}
nav{position:sticky;top:0;background:var(--paper);border-bottom:1px solid var(--rule);z-index:2}
nav div{max-width:1360px;margin:0 auto;padding:6px 20px;display:flex;gap:2px 14px;flex-wrap:wrap;font-size:.9rem}
a{color:var(--c0);text-decoration:none}a:hover{text-decoration:underline}
.tools{display:flex;gap:6px}
button{font:inherit;font-size:.85rem;color:var(--ink);background:var(--card);border:1px solid var(--rule);border-radius:6px;
padding:4px 10px;cursor:pointer}
button[aria-pressed=true]{border-color:var(--c0);color:var(--c0)}
.runs{display:grid;gap:18px;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr))}
.run{min-width:0}
.runs.one .run{display:block}
.figures{display:grid;gap:14px 26px;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr))}
.big{font-size:1.15rem;margin:.2rem 0 .6rem}
.soft,.terms,figcaption,.why{color:var(--soft)}
.why{font-size:.9rem}
figure{margin:.4rem 0 .8rem;min-width:0}
figcaption{font-size:.9rem;margin-bottom:4px}
svg.chart{width:100%;max-width:640px;height:auto;display:block}
.strip svg.chart{max-width:900px}
svg .note{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
svg text{font:13px system-ui,"Noto Sans","Noto Sans CJK JP",sans-serif;fill:var(--ink)}
svg .tick,svg .name,svg .note{fill:var(--soft)}
svg .tick{font-size:12px}svg .note{font-size:11.5px}
svg .end{text-anchor:end}svg .middle{text-anchor:middle}
svg .grid{stroke:var(--rule);stroke-width:.8}svg .axis{stroke:var(--soft);stroke-width:1}
svg .frozen{fill:var(--c0);opacity:.13}
svg .mark{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:3 3}svg .mark.chosen{stroke:var(--ink);stroke-width:1.6;stroke-dasharray:none}
svg .curve{fill:none;stroke-width:2;stroke-linejoin:round}svg .band{opacity:.22;stroke:none}
svg .whisker{stroke:var(--ink);stroke-width:1.2}
.curve.c0{stroke:var(--c0)}.curve.c1{stroke:var(--c1)}.curve.c2{stroke:var(--c2)}.curve.c3{stroke:var(--c3)}
.band.c0,.bar.c0,.dot.c0{fill:var(--c0)}.band.c1,.bar.c1,.dot.c1{fill:var(--c1)}
.band.c2,.bar.c2,.dot.c2{fill:var(--c2)}.band.c3,.bar.c3,.dot.c3{fill:var(--c3)}
.cell.cold{fill:var(--cold)}.cell.warm{fill:var(--warm)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;padding:0;margin:4px 0;font-size:.85rem}
.key{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px;
-webkit-print-color-adjust:exact;print-color-adjust:exact}
.kcold{background:var(--cold)}.kwarm{background:var(--warm)}.k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}
.bars{max-width:860px}
.bars .row{display:grid;grid-template-columns:minmax(90px,150px) 1fr;gap:10px;padding:3px 0;border-bottom:1px solid var(--rule);font-size:.88rem}
.bars .line{display:grid;grid-template-columns:1fr 92px;gap:8px;align-items:center}
.bars .line span{font-variant-numeric:tabular-nums;white-space:nowrap}
svg.meter{width:100%;height:11px;display:block}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.9rem;margin:.3rem 0 .7rem;width:auto;max-width:100%}
th,td{padding:4px 12px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule);font-weight:400;
overflow-wrap:normal}
thead th{color:var(--soft);font-size:.84rem;white-space:normal}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
tbody th{max-width:26em;min-width:6.5em}.heat tbody th{min-width:0}
@media screen{td:not(.n){min-width:6.5em}.heat td:not(.n){min-width:0}thead th{word-break:keep-all}}
td.wide{overflow-wrap:anywhere;min-width:14em}
details{margin:.3rem 0}summary{cursor:pointer;color:var(--soft);font-size:.88rem}
.tag{display:inline-block;font-size:.72rem;color:var(--soft);border:1px solid var(--rule);border-radius:4px;padding:0 5px;margin-left:4px;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}
.terms{font-size:.84rem;margin:.6rem 0 0;columns:2 380px;column-gap:30px}
.terms div{break-inside:avoid;padding:1px 0}
.terms dt{display:inline;font-weight:600}.terms dt::after{content:": "}.terms dd{display:inline;margin:0}
pre{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:10px 12px;overflow-x:auto;font-size:.82rem;
white-space:pre-wrap;word-break:break-word;margin:.3rem 0 .8rem}
code{font-size:.88em}
.heat{overflow-x:auto;max-width:100%}
.heat table{border-collapse:separate;border-spacing:1px;font-size:.72rem;margin:0}
.heat td,.heat th{border:0;padding:1px 4px;white-space:nowrap;max-width:8em;overflow:hidden;text-overflow:ellipsis}
.heat td{-webkit-print-color-adjust:exact;print-color-adjust:exact}
footer{padding:26px 20px 40px;color:var(--soft);font-size:.85rem}
@media (max-width:600px){body{font-size:15px}header,main,footer{padding-left:14px;padding-right:14px}nav{position:static}
nav div{padding:6px 14px}svg text{font-size:17px}svg .tick{font-size:16px}svg .note{font-size:15px}
.bars .row{grid-template-columns:1fr}.bars .line{grid-template-columns:1fr 84px}}
@media print{:root,:root[data-theme=dark]{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--rule:#bbb;--card:#f6f6f6;
--frozen:#e3ecf6;--c0:#1f6fb4;--c1:#c8641b;--c2:#2e8b57;--c3:#8a4fb0;--cold:#a9c4e2;--warm:#e08a3c}
nav,.tools{display:none}body{font-size:10.5pt}section{break-before:auto}figure,tr,h2,h3{break-inside:avoid}h2,h3{break-after:avoid}
svg,svg *{-webkit-print-color-adjust:exact;print-color-adjust:exact}.scroll,.heat{overflow:visible}}
)css";

const char* const kScript = R"js(
(function(){
var root=document.documentElement;
function store(key,value){try{localStorage.setItem(key,value)}catch(e){}}
function press(){document.querySelectorAll('button[data-set]').forEach(function(b){
var p=b.dataset.set.split('=');b.setAttribute('aria-pressed',String((root.dataset[p[0]]||'auto')===p[1]))})}
function set(key,value){if(value==='auto')delete root.dataset[key];else root.dataset[key]=value;
if(key==='lang')root.lang=value;press()}
document.addEventListener('click',function(event){
var button=event.target.closest('button[data-set]');if(!button)return;
var p=button.dataset.set.split('=');set(p[0],p[1]);store('salf-'+p[0],p[1])});
var theme=null;try{theme=localStorage.getItem('salf-theme')}catch(e){}
if(theme==='dark'||theme==='light')set('theme',theme);
press();
})();
)js";

const char* const kFollowScript = R"js(
(function(){
var main=document.querySelector('main'),version=null,failed=0;
function opened(){return Array.from(main.querySelectorAll('details')).map(function(d){return d.open})}
function turn(){fetch('body').then(function(answer){
if(!answer.ok)throw new Error(String(answer.status));
return answer.text().then(function(html){failed=0;
if(html===version)return;version=html;var open=opened();main.innerHTML=html;
main.querySelectorAll('details').forEach(function(d,i){d.open=!!open[i]})})})
.catch(function(){failed++}).then(function(){if(failed<5)setTimeout(turn,3000)})}
setTimeout(turn,3000);
})();
)js";

}  // namespace salf::report
