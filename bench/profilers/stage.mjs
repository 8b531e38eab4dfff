// What a consumer works on: an AWS stand-in, and task messages.
import { createRequire } from "node:module";
import { join } from "node:path";
import { start, stop, until } from "./process.mjs";

const peer = createRequire(new URL("../peers/node/", import.meta.url));
const { GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient } = peer("@aws-sdk/client-sqs");

const START_MS = 20_000;
// It lets open requests end.
const STOP_MS = 8_000;
// The last that the stand-in prints.
const LAST = "EXPORT_ALLOWED_NETWORKS";
const BATCH = 10;
const TASKS_OF_A_JOB = 100;
const WAITING = [
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
];

export class Stage {
  /** Starts a stand-in of `exportctl`, whose log goes to `folder`; its S3 takes `storeDelayMs` to begin with an object. */
  static async set(exportctl, folder, { storeDelayMs = 0 } = {}) {
    const args = ["aws", "--port", "0", ...(storeDelayMs > 0 ? ["--store-delay", `${storeDelayMs}ms`] : [])];
    const options = { environment: { TMPDIR: folder }, cwd: folder, log: join(folder, "aws.log") };
    const stage = new Stage(start(exportctl, args, options));
    try {
      stage.environment = await until("the AWS stand-in", START_MS, () => environment(stage.standIn.text()));
    } catch (error) {
      await stage.strike();
      throw error;
    }
    const { AWS_ENDPOINT: endpoint, AWS_REGION: region } = stage.environment;
    stage.sqs = new SQSClient({ endpoint, region, credentials: { accessKeyId: "test", secretAccessKey: "test" } });
    return stage;
  }

  constructor(standIn) {
    this.standIn = standIn;
  }

  get endpoint() {
    return this.environment.AWS_ENDPOINT;
  }

  get #queue() {
    return this.environment.SQS_DOWNLOAD_TASKS_URL;
  }

  /** Sends task messages as those of `bench/src/load.rs`, numbered from 1. */
  async send({ run, tasks, delayMs, bytes = 10_240 }) {
    const numbers = Array.from({ length: tasks }, (_, index) => index + 1);
    const url = (number) => `${this.endpoint}/_source/files/${run}-${number}?size=${bytes}&delay=${delayMs}`;
    const entry = (number) => ({
      Id: String(number),
      MessageBody: JSON.stringify({
        jobId: `${run}-${Math.floor(number / TASKS_OF_A_JOB)}`,
        taskId: `t${number}`,
        url: url(number),
      }),
    });
    for (let at = 0; at < tasks; at += BATCH) {
      const Entries = numbers.slice(at, at + BATCH).map(entry);
      const { Failed = [] } = await this.sqs.send(new SendMessageBatchCommand({ QueueUrl: this.#queue, Entries }));
      if (Failed.length > 0) throw new Error(`SQS refused a message: ${JSON.stringify(Failed)}`);
    }
  }

  /** Waits until nothing waits and nothing is in flight. */
  async drained(ms) {
    await until("the end of the load", ms, async () => {
      const asked = new GetQueueAttributesCommand({ QueueUrl: this.#queue, AttributeNames: WAITING });
      const { Attributes } = await this.sqs.send(asked);
      const left = WAITING.reduce((sum, name) => sum + Number(Attributes[name]), 0);
      return left === 0 ? true : undefined;
    });
  }

  async strike() {
    this.sqs?.destroy();
    await stop(this.standIn, STOP_MS);
  }
}

/** What the stand-in prints, `export NAME=VALUE`; undefined before the last. */
function environment(text) {
  const lines = text.matchAll(/^export (\w+)=(.*)\n/gm);
  const variables = Object.fromEntries(Array.from(lines, ([, name, value]) => [name, value.replace(/^'|'$/g, "")]));
  return LAST in variables ? variables : undefined;
}
