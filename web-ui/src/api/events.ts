/** The node's server-sent events, read with `fetch` (an `EventSource` can't send a token, and hides why it failed). */
import { credentials } from './client.ts';

export interface ServerEvent {
  name: string;
  data: string;
}

/**
 * Reads `/v1/events` until it ends or `signal` aborts, telling every event. Resolves to `false` where the node has
 * no such stream; the caller then lives by asking. `opened` is told when the stream stands: what changed before that
 * has to be asked for.
 */
export async function listen(
  tell: (event: ServerEvent) => void,
  signal: AbortSignal,
  opened: () => void = () => {},
): Promise<boolean> {
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (credentials.token) headers.authorization = `Bearer ${credentials.token}`;
  const response = await fetch('/v1/events', { headers, cache: 'no-store', signal });
  const type = response.headers.get('content-type') ?? '';
  if (!response.ok || !response.body || !type.startsWith('text/event-stream')) return false;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = parser(tell);
  opened();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    parse(value);
  }
}

/** Takes the stream in pieces of any size. */
export function parser(tell: (event: ServerEvent) => void): (piece: string) => void {
  let rest = '';
  let name = 'message';
  let data: string[] = [];
  const take = (text: string) => {
    if (text === '') {
      if (data.length) tell({ name, data: data.join('\n') });
      name = 'message';
      data = [];
      return;
    }
    const at = text.indexOf(':');
    const field = at < 0 ? text : text.slice(0, at);
    const value = at < 0 ? '' : text.slice(at + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    if (field === 'data') data.push(value);
  };
  return (piece) => {
    const lines = (rest + piece).split(/\r?\n/);
    rest = lines.pop() ?? '';
    lines.forEach(take);
  };
}
