import { measure } from "./measure.mjs";
import { endAll } from "./process.mjs";
import { paths } from "./settings.mjs";
import { tables } from "./table.mjs";

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    endAll();
    process.exit(130);
  });
}
if (process.argv[2] !== "table") await measure();
tables(paths.results);
