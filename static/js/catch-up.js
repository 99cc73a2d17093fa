// The same documents over plain REST: for networks that block sockets, and to confirm how a job ended.
const LIMIT = 200;

async function read(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw Object.assign(new Error(`${path} answered ${answer.status}`), { status: answer.status });
  return answer.json();
}

async function job(id) {
  const [document, log] = await Promise.all([
    read(`/api/v1/jobs/${id}/`),
    read(`/api/v1/jobs/${id}/events/?limit=1000`),
  ]);
  return { document, events: log.results ?? log };
}

// A topic as the messages that a socket would have begun with.
export async function catchUp(topic) {
  const [kind, id] = topic.split(":");
  if (kind === "job") {
    const { document, events } = await job(id);
    return [{ type: "snapshot", topic, documents: [document], events }];
  }
  if (id) return [{ type: "snapshot", topic, documents: [await read(`/api/v1/${kind}s/${id}/`)] }];
  const list = kind === "alarms" ? "guests/?runs_twice=true&" : `${kind}/?`;
  const page = await read(`/api/v1/${list}limit=${LIMIT}`);
  return [{ type: "snapshot", topic, documents: page.results }];
}

// The job as the database has it, or null when nobody answers.
export const confirmed = (id) => job(id).catch(() => null);
