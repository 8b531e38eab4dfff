// What each of Clinic's tools says, from its page or from what the page is made of, by Clinic's own analysis.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const share = (part, whole) => (whole > 0 ? Number((part / whole).toFixed(3)) : 0);

/** Reads what a tool collected in `data`, and its page in `html`. */
export const verdicts = {
  // The issue that its page opens with: gc, event-loop, io, none; unknown and data are its failures.
  doctor({ html }) {
    const { issueCategory, issues } = pageData(html).analysis;
    return { says: issueCategory, details: issues };
  },

  // It has no verdict: the largest of its bubbles, and its share of their time.
  bubbleprof({ html }) {
    const loaded = require("@clinic/bubbleprof/visualizer/data/index.js")({}, pageData(html));
    const bubbles = [...loaded.clusterNodes.values()].sort((a, b) => b.getTotalTime() - a.getTotalTime());
    const [largest] = bubbles;
    const whole = bubbles.reduce((sum, bubble) => sum + bubble.getTotalTime(), 0);
    return { says: largest?.name ?? null, share: share(largest?.getTotalTime() ?? 0, whole) };
  },

  // It has no verdict: the hottest frame, which its page opens at, among the kinds that are shown.
  async flame({ data }) {
    const paths = require("@clinic/flame/collect/get-logging-paths.js")({ path: data });
    const { merged } = await require("@clinic/flame/analysis/index.js")(paths);
    const [, ...all] = frames(merged);
    const hottest = all.reduce((a, b) => (b.onStackTop.asViewed > a.onStackTop.asViewed ? b : a));
    const said = hottest.functionName || hottest.name;
    return { says: said, share: share(hottest.onStackTop.asViewed, merged.onStack), samples: merged.onStack };
  },

  // It has no verdict: the function that has allocated most of what is alive.
  heapprofiler({ data }) {
    const { analyse } = require("@clinic/heap-profiler");
    return analysed(analyse ?? require("@clinic/heap-profiler/src/analysis/index.js").analyse, data).then(
      ({ data: tree }) => {
        const [, ...all] = frames(tree);
        const top = all.reduce((a, b) => (b.selfValue > a.selfValue ? b : a));
        return { says: top.functionName, share: share(top.selfValue, tree.value), bytes: tree.value };
      },
    );
  },
};

const analysed = (analyse, file) =>
  new Promise((resolve, reject) => analyse(file, (error, found) => (error ? reject(error) : resolve(found))));

const frames = (frame) => [frame, ...frame.children.flatMap(frames)];

function pageData(html) {
  const text = readFileSync(html, "utf8");
  const [, after] = text.split('<script type="application/json" id="clinic-data">');
  return JSON.parse(after.slice(0, after.indexOf("</script>")));
}
