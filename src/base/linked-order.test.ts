import { describe, expect, it } from "vitest";
import { type Linked, LinkedOrder } from "./linked-order.ts";
import { seededRandom } from "./random.ts";

class Item implements Linked<Item> {
  before: Item | undefined;
  after: Item | undefined;
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }
}

describe("a linked order", () => {
  it("does over 20,000 random operations what a list would", () => {
    const random = seededRandom(4);
    const order = new LinkedOrder<Item>();
    const items = Array.from({ length: 30 }, (_, number) => new Item(number));
    let model: Item[] = [];
    for (let step = 0; step < 20_000; step++) {
      const item = items[Math.floor(random() * items.length)]!;
      if (!model.includes(item)) {
        order.append(item);
        model.push(item);
      } else if (random() < 0.5) {
        order.remove(item);
        model = model.filter((one) => one !== item);
      } else if (random() < 0.999) {
        order.moveToEnd(item);
        model = [...model.filter((one) => one !== item), item];
      } else {
        order.clear();
        model = [];
      }
      const found = [...order].map(({ number }) => number);
      if (found.join() !== model.map(({ number }) => number).join()) expect(found).toEqual(model);
      expect(order.first).toBe(model[0]);
    }
  });

  it("lets the one at hand be taken out while it is walked, and refuses what stands in it already", () => {
    const order = new LinkedOrder<Item>();
    for (let number = 0; number < 5; number++) order.append(new Item(number));
    for (const item of order) if (item.number % 2 === 0) order.remove(item);
    expect([...order].map(({ number }) => number)).toEqual([1, 3]);
    expect(() => order.append(order.first!)).toThrow("no order yet");
  });
});
