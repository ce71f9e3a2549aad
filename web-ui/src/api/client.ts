/** The node's API as functions. Whatever goes wrong is one of two things: a `Problem` or an `Unreachable`. */
import type { Approval } from './day.ts';
import type {
  Bootstrap, Cart, Discount, Exemption, Lookup, NewLine, Page, ProblemBody, Product, Sale, SyncStatus, Tender,
} from './types.ts';

/** Long enough for a node that waits for its disk, short enough that a cashier isn't left guessing. */
const ANSWER_MS_MAX = 8000;

/** The node said no, by name. */
export class Problem extends Error {
  constructor(readonly body: ProblemBody) {
    super(body.detail || body.title);
  }

  get code(): string {
    return this.body.code;
  }
}

/** Nobody answered, or something that isn't the node. Whether a write happened is not known. */
export class Unreachable extends Error {}

/** What this page shows of itself where a token is asked for; the console's user types it, a paired till keeps it. */
export const credentials: { token: string | null } = { token: null };

/** Asks the node; answers what it said, or throws one of the two. */
export async function call<Answer>(method: string, path: string, body?: unknown, msMax = ANSWER_MS_MAX): Promise<Answer> {
  const response = await send(method, path, body, msMax);
  if (!response.ok) throw await refused(response);
  const text = await readText(response);
  return (text ? JSON.parse(text) : undefined) as Answer;
}

async function send(method: string, path: string, body?: unknown, msMax = ANSWER_MS_MAX): Promise<Response> {
  const init: RequestInit = { method, cache: 'no-store', signal: AbortSignal.timeout(msMax) };
  const headers: Record<string, string> = {};
  if (credentials.token) headers.authorization = `Bearer ${credentials.token}`;
  if (body !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  init.headers = headers;
  try {
    return await fetch(path, init);
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function readText(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

/** A proxy's own error page is no word of the node's. */
async function refused(response: Response): Promise<Error> {
  const text = await readText(response);
  try {
    const body = JSON.parse(text) as ProblemBody;
    if (typeof body.code === 'string') return new Problem(body);
  } catch {
    // Falls through: not JSON, so not the node.
  }
  return new Unreachable(`${response.status} ${response.statusText}`);
}

/** The text of a document of the node's. */
export async function text(path: string, msMax = ANSWER_MS_MAX): Promise<string> {
  const response = await send('GET', path, undefined, msMax);
  if (!response.ok) throw await refused(response);
  return readText(response);
}

export const enc = encodeURIComponent;
const line = (cart: string, id: string) => `/v1/carts/${enc(cart)}/lines/${enc(id)}`;

export const api = {
  bootstrap: () => call<Bootstrap>('GET', '/v1/till/bootstrap'),
  status: () => call<SyncStatus>('GET', '/v1/sync/status'),
  syncNow: () => call<unknown>('POST', '/v1/sync/now'),

  search: (q: string, limit: number, cursor?: string) =>
    call<Page<Product>>('GET', `/v1/products?q=${enc(q)}&limit=${limit}${cursor ? `&cursor=${enc(cursor)}` : ''}`),
  product: (sku: string) => call<Product>('GET', `/v1/products/${enc(sku)}`),
  lookup: (code: string) => call<Lookup>('GET', `/v1/lookup/${enc(code)}`),

  openCart: (id: string, till: string) => call<Cart>('POST', '/v1/carts', { id, till }),
  cart: (id: string) => call<Cart>('GET', `/v1/carts/${enc(id)}`),
  carts: async (state: 'open' | 'parked') => rows(await call<Page<Cart> | Cart[]>('GET', `/v1/carts?state=${state}`)),
  addLine: (cart: string, item: NewLine) => call<Cart>('POST', `/v1/carts/${enc(cart)}/lines`, item),
  setQuantity: (cart: string, id: string, quantity_milli: number) =>
    call<Cart>('PATCH', line(cart, id), { quantity_milli }),
  setPrice: (cart: string, id: string, what: { unit_price: number; reason: string; approval?: Approval | undefined }) =>
    call<Cart>('PATCH', `${line(cart, id)}/price`, what),
  setCustomer: (cart: string, customer: string | null) => call<Cart>('PUT', `/v1/carts/${enc(cart)}/customer`, { customer }),
  removeLine: (cart: string, id: string) => call<Cart>('DELETE', line(cart, id)),
  discountLine: (cart: string, id: string, discount: Discount) =>
    call<Cart>('POST', `${line(cart, id)}/discounts`, discount),
  clearLineDiscounts: (cart: string, id: string) => call<Cart>('DELETE', `${line(cart, id)}/discounts`),
  discountCart: (cart: string, discount: Discount) => call<Cart>('POST', `/v1/carts/${enc(cart)}/discounts`, discount),
  exempt: (cart: string, what: Exemption) => call<Cart>('PUT', `/v1/carts/${enc(cart)}/exemption`, what),
  unexempt: (cart: string) => call<Cart>('DELETE', `/v1/carts/${enc(cart)}/exemption`),
  setSerials: (cart: string, id: string, serials: string[]) => call<Cart>('PATCH', `${line(cart, id)}/checks`, { serials }),
  clearCartDiscounts: (cart: string) => call<Cart>('DELETE', `/v1/carts/${enc(cart)}/discounts`),
  park: (cart: string) => call<Cart>('POST', `/v1/carts/${enc(cart)}/park`),
  resume: (cart: string) => call<Cart>('POST', `/v1/carts/${enc(cart)}/resume`),
  /** Asks the computer that holds the cart to hand it over. */
  take: (cart: string) => call<Cart>('POST', `/v1/carts/${enc(cart)}/take`, {}),
  /** A cart of its own with the same lines, where the holder can't be asked. */
  clone: (cart: string, id: string, till: string) => call<Cart>('POST', `/v1/carts/${enc(cart)}/clone`, { id, till }),
  voidCart: (cart: string) => call<Cart>('POST', `/v1/carts/${enc(cart)}/void`),
  checkout: (cart: string, what: { till: string; tenders: Tender[]; expected_total: number; approval?: Approval | undefined }) =>
    call<Sale>('POST', `/v1/carts/${enc(cart)}/checkout`, what),

  customerName: async (id: string) => (await call<{ name: string | null }>('GET', `/v1/customers/${enc(id)}`)).name ?? '',

  sale: (id: string) => call<Sale>('GET', `/v1/sales/${enc(id)}`),
  receiptText: (id: string) => text(`/v1/sales/${enc(id)}/receipt?format=text`),
  /** The address of a receipt to print; a copy says so on its face. */
  receiptPage: (id: string, copy: boolean) => `/v1/sales/${enc(id)}/receipt?format=html&copy=${copy}`,
};

/** Lists come as a page; a bare array is taken too. */
function rows<Row>(answer: Page<Row> | Row[]): Row[] {
  return Array.isArray(answer) ? answer : answer.data;
}
