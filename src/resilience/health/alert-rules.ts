/**
 * Alert rules over what the checks found: a condition that holds, if wanted for some time, raises an alert; when it
 * holds no more the alert is cleared.
 */

import type { Clock } from "../../base/index.ts";
import { type Condition, type ConditionContext, HeldCondition } from "../condition.ts";

export interface AlertRule {
  readonly name: string;
  /** Of `health.availability`, `health.level`, and for each check `checks.NAME.state` and its values. */
  readonly when: Condition;
  /** How long it must hold without a break. Default 0. */
  readonly forMs?: number | undefined;
}

export interface RuleChange {
  readonly rule: AlertRule;
  readonly raised: boolean;
  readonly detail: string;
}

export class AlertRules {
  readonly #standings: readonly { readonly rule: AlertRule; readonly held: HeldCondition }[];

  constructor(rules: readonly AlertRule[], clock: Clock) {
    this.#standings = rules.map((rule) => {
      const { when: condition, forMs } = rule;
      return { rule, held: new HeldCondition({ condition, clock, forMs }) };
    });
  }

  get raised(): readonly string[] {
    return this.#standings.filter(({ held }) => held.isDue).map(({ rule }) => rule.name);
  }

  get size(): number {
    return this.#standings.length;
  }

  /** Which alerts are raised or cleared by this. */
  evaluate(context: ConditionContext): RuleChange[] {
    return this.#standings
      .filter(({ held }) => held.sample(context))
      .map(({ rule, held }) => {
        const detail = `the rule "${rule.name}" ${held.isDue ? "holds" : "holds no more"}`;
        return { rule, raised: held.isDue, detail };
      });
  }
}
