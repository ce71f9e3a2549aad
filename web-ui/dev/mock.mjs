/**
 * A MOCK of the node for `npm run dev` and `npm run preview`: enough of its answers, in memory, to work on the
 * page without a node. Its sums are simple and prove nothing; the browser test runs on a real node.
 */

const row = (sku, name, price, more = {}) => ({
  sku, name, category: 'grocery', gtins: [], plu: null, unit: { base: 'piece', base_per_unit: 1 }, price,
  currency: 'EUR', exponent: 2, min_age: null, policy: 'in_hand', weighed: false, active: true,
  stock: { on_hand: 24, available: 24 }, ...more,
});
const loose = { unit: { base: 'gram', base_per_unit: 1000 }, weighed: true, stock: { on_hand: 12500, available: 12500 } };
const PRODUCTS = [
  row('MILK-1L', 'Whole milk 1 l', 129, { gtins: ['9529010010013'] }),
  row('MILK-SK', 'Skimmed milk 1 l', 119),
  row('BREAD', 'Sourdough bread 750 g', 385),
  row('BUTTER', 'Salted butter 250 g', 279),
  row('EGGS-6', 'Free range eggs, 6', 249, { stock: { on_hand: 0, available: 0 } }),
  row('APPLE', 'Apples, Braeburn', 295, { plu: 4101, ...loose }),
  row('BANANA', 'Bananas', 189, { plu: 4011, ...loose }),
  row('TOMATO', 'Vine tomatoes', 399, { plu: 4664, ...loose }),
  row('COFFEE', 'Ground coffee, dark roast 250 g', 499),
  row('TEA', 'Black tea, 80 bags', 349),
  row('WINE-R', 'Red wine 0.75 l', 899, { min_age: 18 }),
  row('BEER', 'Lager beer 0.5 l', 165, { min_age: 16 }),
  row('CHOC', 'Chocolate with hazelnuts and a rather long name for a small tile', 219),
  row('RICE', 'Basmati rice 1 kg', 279),
  row('PASTA', 'Spaghetti 500 g', 139),
  row('OIL', 'Olive oil, extra virgin 0.5 l', 749),
  row('SALT', 'Sea salt 500 g', 99),
  row('SOAP', 'Hand soap 300 ml', 189),
  row('PAPER', 'Kitchen paper, 4 rolls', 329),
  row('WATER', 'Still water 1.5 l', 79),
];

const carts = new Map();
const sales = new Map();
let receipts = 100;
let lines = 0;

const problem = (status, code, detail) => ({ status, body: { type: `/problems/${code}`, title: code, status, detail, instance: '', code, errors: [], retryable: false, trace_id: 'mock-0001' } });
const ok = (body, status = 200) => ({ status, body });
const roundStep = (minor) => Math.round(minor / 5) * 5;

function fresh(id, till) {
  return { id, till, state: 'open', customer: null, version: 1, lines: [], discounts: [], totals: {}, currency: 'EUR', exponent: 2, sale_id: null, owner: null, flags: [] };
}

function reckon(cart) {
  for (const line of cart.lines) {
    line.base = Math.round((line.unit_price * line.quantity_milli) / 1000);
    line.discount = line.off ? Math.min(line.base, line.off.kind === 'percent' ? Math.round((line.base * line.off.value) / 1e6) : line.off.value) : 0;
    line.amount = line.base - line.discount;
  }
  const gross = cart.lines.reduce((sum, line) => sum + line.base, 0);
  let total = cart.lines.reduce((sum, line) => sum + line.amount, 0);
  for (const off of cart.discounts) total -= Math.min(total, off.kind === 'percent' ? Math.round((total * off.value) / 1e6) : off.value);
  const net = Math.round(total / 1.23);
  cart.totals = { gross_before_discounts: gross, discounts: gross - total, net, tax: total - net, total, cash_due: roundStep(total), tax_groups: [{ category: 'standard', ppm: 230000, net, tax: total - net, gross: total }] };
  cart.version++;
  return cart;
}

function find(code) {
  return PRODUCTS.find((product) => product.sku === code || product.gtins.includes(code) || String(product.plu) === code);
}

function addLine(cart, body) {
  const product = find(body.sku ?? body.code);
  if (!product) return problem(422, body.sku ? 'UNKNOWN_SKU' : 'UNKNOWN_BARCODE', `${body.sku ?? body.code} is unknown.`);
  if (product.min_age && !body.age_check) return problem(422, 'AGE_CHECK_REQUIRED', 'Check the age.');
  const milli = body.quantity_milli ?? 1000;
  const same = cart.lines.find((line) => line.sku === product.sku && !product.weighed);
  if (same) same.quantity_milli += milli;
  else cart.lines.push({ line: String(++lines), sku: product.sku, name: product.name, quantity_milli: milli, unit_price: product.price, base: 0, discount: 0, promotion: 0, order_share: 0, amount: 0, tax_ppm: 230000, weighed: product.weighed, min_age: product.min_age, discounts: [], note: null });
  return ok(reckon(cart));
}

function checkout(cart, body) {
  if (cart.sale_id) return ok(sales.get(cart.sale_id), 201);
  const given = (kind) => body.tenders.filter((tender) => (tender.kind === 'cash') === (kind === 'cash')).reduce((sum, tender) => sum + tender.amount, 0);
  const rest = cart.totals.total - given('other');
  const due = roundStep(rest);
  if (given('cash') < Math.min(rest, due)) return problem(422, 'SHORT_TENDER', 'Not enough.');
  const number = `R1-MOCK1-${String(++receipts).padStart(6, '0')}`;
  const sale = { id: crypto.randomUUID(), kind: 'sale', receipt: { till: 'R1', series: 'MOCK1', n: receipts, number }, committed_at: new Date().toISOString(), currency: 'EUR', exponent: 2, total: cart.totals.total, rounding: due - rest, cash_due: due, cash_tendered: given('cash'), change: given('cash') - due, tenders: body.tenders, synced: false, lines: cart.lines };
  sales.set(sale.id, sale);
  Object.assign(cart, { state: 'paid', sale_id: sale.id, version: cart.version + 1 });
  return ok(sale, 201);
}

function receipt(sale) {
  const amount = (minor) => (minor / 100).toFixed(2).padStart(9);
  const items = sale.lines.map((line) => `${line.name.slice(0, 28).padEnd(30)}${amount(line.amount)}`);
  return ['          CORNER GROCER (MOCK)', '', ...items, '-'.repeat(39), `${'TOTAL EUR'.padEnd(30)}${amount(sale.total)}`, `${'Cash'.padEnd(30)}${amount(sale.cash_tendered)}`, `${'Change'.padEnd(30)}${amount(sale.change)}`, '', sale.receipt.number, ''].join('\n');
}

function cartCall(method, [id, part, line, sub], body) {
  const cart = carts.get(id);
  if (!cart) return problem(404, 'NOT_FOUND', 'No such cart.');
  if (!part) return ok(cart);
  if (part === 'checkout') return checkout(cart, body);
  if (part === 'park' || part === 'resume' || part === 'void') {
    cart.state = { park: 'parked', resume: 'open', void: 'voided' }[part];
    return ok(reckon(cart));
  }
  if (part === 'discounts') cart.discounts = method === 'POST' ? [...cart.discounts, body] : [];
  if (part === 'lines' && !line) return addLine(cart, body);
  const target = cart.lines.find((one) => one.line === line);
  if (sub === 'discounts') target.off = method === 'POST' ? body : null;
  else if (method === 'PATCH') target.quantity_milli = body.quantity_milli;
  else if (method === 'DELETE' && part === 'lines') cart.lines = cart.lines.filter((one) => one !== target);
  return ok(reckon(cart));
}

function answer(method, url, body) {
  const [, , noun, ...rest] = url.pathname.split('/').map(decodeURIComponent);
  const q = url.searchParams.get('q')?.toLowerCase() ?? '';
  if (noun === 'till') return ok({ store: { code: 'S1', name: 'Corner Grocer' }, till: 'R1', currency: 'EUR', exponent: 2, cash_step: 5, prices_include_tax: true, catalog_version: { epoch: 0, version: 1 }, products: PRODUCTS.length, enrolled: true });
  if (noun === 'sync') return ok({ enrolled: true, hub: { address: 'mock', connected: false, last_contact_ms_ago: 2_520_000, last_error: 'connection refused' }, incarnation: '7K2QD', registered: true, acked_seq: 0, unsynced: sales.size, oldest_unsynced_ms: sales.size ? 60_000 : null, catalog: { epoch: 1, version: 318, hub_version: 318 }, link: 'offline', clock_skew_ms: 120 });
  if (noun === 'products') return ok({ data: PRODUCTS.filter((product) => product.name.toLowerCase().includes(q)), next_cursor: null, has_more: false });
  if (noun === 'lookup') {
    const product = find(rest[0]);
    return product ? ok({ matched: 'gtin', product, quantity_milli: null, label_amount: null }) : problem(404, 'UNKNOWN_BARCODE', 'Unknown.');
  }
  if (noun === 'carts' && !rest.length && method === 'POST') {
    if (!carts.has(body.id)) carts.set(body.id, reckon(fresh(body.id, body.till)));
    return ok(carts.get(body.id), 201);
  }
  if (noun === 'carts' && !rest.length) return ok({ data: [...carts.values()].filter((cart) => cart.state === url.searchParams.get('state')), next_cursor: null, has_more: false });
  if (noun === 'carts') return cartCall(method, rest, body);
  if (noun === 'sales') return rest[1] === 'receipt' ? { status: 200, text: receipt(sales.get(rest[0])) } : ok(sales.get(rest[0]));
  return problem(404, 'NOT_FOUND', 'Not in the mock.');
}

/** Middleware for Vite's servers. */
export function mock() {
  return async (request, response, next) => {
    const url = new URL(request.url, 'http://mock');
    if (!url.pathname.startsWith('/v1/')) return next();
    let text = '';
    for await (const piece of request) text += piece;
    const { status, body, text: plain } = answer(request.method, url, text ? JSON.parse(text) : {});
    response.statusCode = status;
    response.setHeader('content-type', plain === undefined ? (status < 400 ? 'application/json' : 'application/problem+json') : 'text/plain; charset=utf-8');
    response.end(plain ?? JSON.stringify(body));
  };
}
