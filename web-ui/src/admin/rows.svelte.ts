/** Rows of the hub's that come page by page. */
import type { Page } from './api.ts';
import { Asked, trouble } from './desk.svelte.ts';

export class Rows<Row> extends Asked<Page<Row>> {
  constructor(private readonly page: (cursor?: string) => Promise<Page<Row>>) {
    super(() => page());
  }

  async more(): Promise<void> {
    const shown = this.value;
    if (!shown?.next_cursor) return;
    try {
      const next = await this.page(shown.next_cursor);
      this.value = { ...next, data: [...shown.data, ...next.data] };
    } catch (error) {
      this.trouble = trouble(error);
    }
  }
}
