// Style, script and policy of the status page. A test compares the hashes with the texts.
#include "agent/serve/page.hpp"

namespace vitals {

std::string_view page_style() {
  // Colours have a contrast of at least 4.5 on their grounds, in both schemes.
  return R"css(
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--line:#dfe3e8;--text:#1a1f26;--mute:#56606b;
--pass:#146c33;--pass-bg:#dff5e5;--warn:#7a4b00;--warn-bg:#fdf0cf;--fail:#a3122a;--fail-bg:#fde5e7;
--none:#56606b;--none-bg:#e9ecf0;--bar:#4fa36b}
@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--card:#171b22;--line:#2a313b;--text:#e6eaf0;
--mute:#98a2ae;--pass:#5fd07f;--pass-bg:#12291a;--warn:#e8b64a;--warn-bg:#2d2411;--fail:#ff8389;
--fail-bg:#35151a;--none:#a0aab6;--none-bg:#232a33;--bar:#3f8f5b}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.45 system-ui,-apple-system,
"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
main{max-width:74rem;margin:0 auto;padding:1.25rem 1rem 2rem}
.pass{--c:var(--pass);--b:var(--pass-bg)}.warn{--c:var(--warn);--b:var(--warn-bg)}
.fail{--c:var(--fail);--b:var(--fail-bg)}.unknown,.off{--c:var(--none);--b:var(--none-bg)}
header{background:var(--b);border-left:.45rem solid var(--c);border-radius:.6rem;
padding:1.1rem 1.3rem}
h1{margin:0;font-size:1.9rem;line-height:1.2;color:var(--c)}
header p{margin:.35rem 0 0;font-size:1.1rem}
header .sub,small,.sub{color:var(--mute);font-size:.85rem}
header .sub{color:var(--text)}
h2{font-size:1.05rem;margin:1.6rem 0 .5rem}
dl{display:flex;flex-wrap:wrap;gap:.5rem 1.9rem;margin:1rem .2rem 0}
dt{color:var(--mute);font-size:.78rem}dd{margin:0;font-weight:600}
dd.warn,dd.fail{color:var(--c)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;overflow:hidden}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.6rem .8rem;border-top:1px solid var(--line)}
thead th{border:0;color:var(--mute);font-size:.78rem;font-weight:600;padding-bottom:.3rem}
tbody th{font-weight:600;min-width:9rem}
th small,td small{display:block;font-weight:400}
th small{white-space:nowrap}
.b{display:inline-block;background:var(--b);color:var(--c);font-weight:700;font-size:.82rem;
border-radius:1rem;padding:.08rem .6rem;white-space:nowrap}
.off .b{font-weight:400}
code{font:600 .85rem ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--c)}
.n{white-space:nowrap;font-variant-numeric:tabular-nums}
svg{display:block;width:180px;height:30px;background:var(--bg);border-radius:3px}
path{fill:var(--bar)}path.w{fill:none;stroke:var(--warn);stroke-width:2.4}
path.x{fill:none;stroke:var(--fail);stroke-width:2.4}
ul{list-style:none;display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;margin:0;padding:.7rem .9rem}
.t td{padding:.35rem .8rem;font-size:.9rem}
.t .v td{font-weight:600}.t td+td{min-width:5rem}
footer{margin-top:1.4rem;color:var(--mute);font-size:.85rem}
a{color:inherit}
.h{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
#gone{margin:0 0 .8rem;padding:.6rem 1rem;border-radius:.6rem;background:var(--fail-bg);
color:var(--fail);font-weight:600}
@media(max-width:48rem){main{padding:.7rem .6rem 1.5rem}h1{font-size:1.6rem}header{padding:.9rem 1rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{display:grid;grid-template-columns:1fr auto;gap:.15rem .8rem;padding:.7rem .8rem;
border-top:1px solid var(--line)}tbody:first-of-type tr:first-child{border:0}
th,td,.t td{border:0;padding:0}
.c .why{grid-column:1/-1;grid-row:2}.c .s{grid-column:2;grid-row:1;text-align:right}
.c th{grid-column:1;grid-row:1}.c .lat{grid-column:2;grid-row:3;text-align:right}
.c .sp{grid-column:1;grid-row:3}
svg{width:150px;margin-top:.35rem}.t .d{grid-column:1/-1}.t td:nth-child(2){text-align:right}dl{gap:.5rem 1.3rem}}
)css";
}

std::string_view page_script() {
  // Asks for the page again and swaps what is shown: no flicker, no lost place. Everything in the
  // answer is escaped, and the policy lets no other script run.
  return R"js(
(function(){
var gone=document.getElementById('gone');
function again(){
if(document.hidden)return setTimeout(again,1000);
var stop=new AbortController();var late=setTimeout(function(){stop.abort()},4000);
fetch(location.href,{headers:{Accept:'text/html'},cache:'no-store',signal:stop.signal})
.then(function(r){return r.text()})
.then(function(t){
var d=new DOMParser().parseFromString(t,'text/html');
var next=d.getElementById('page'),now=document.getElementById('page');
if(!next)throw 0;
if(String(getSelection()))return;
now.replaceWith(document.adoptNode(next));
document.title=d.title;
document.querySelector('link').href=d.querySelector('link').getAttribute('href');
gone.hidden=true})
.catch(function(){
if(gone.hidden)gone.textContent='The agent has not answered since '
+new Date().toISOString().slice(11,19)+'Z: what follows is old.';
gone.hidden=false})
.then(function(){clearTimeout(late);setTimeout(again,5000)})}
setTimeout(again,5000)})();
)js";
}

std::string_view page_policy() {
  return "default-src 'none'; "
         "style-src 'sha256-+dl0a91nUaM1DWmbg4+LCWrtRLF/q+UmoOZ8LJfeXtg='; "
         "script-src 'sha256-1/Jl53Qgwfy7DS5JQ1WHR4PNf/wwbZcM3WAQzMN3yZE='; "
         "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
         "frame-ancestors 'none'";
}

}  // namespace vitals
