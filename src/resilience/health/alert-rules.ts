/**
 * Alert rules over what the checks found: an expression that holds, if wanted for some time, raises an alert; when it
 * holds no more the alert is cleared.
 */

import type { Clock } from "../../base/index.ts";

/** A compiled expression of the policy language, or anything that can be asked the same. */
export interface Condition {
  test(context: Readonly<Record<string, unknown>>): boolean;
}

export interface AlertRule {
  readonly name: string;
  /** Of `health.availability`, `health.level`, and for each check `checks.NAME.state` and its values. */
  readonly when: Condition;
  /** How long it must hold without a break. Default 0. */
  readonly forMs?: number;
}

export interface RuleChange {
  readonly rule: AlertRule;
  readonly raised: boolean;
  readonly detail: string;
}

interface Standing {
  readonly rule: AlertRule;
  holdsSinceMs: number | undefined;
  raised: boolean;
}

export class AlertRules {
  /** Evaluations that threw, for example because a value that is named has not been measured yet. */
  errors = 0;
  readonly #clock: Clock;
  readonly #standings: Standing[];

  constructor(rules: readonly AlertRule[], clock: Clock) {
    this.#clock = clock;
    this.#standings = rules.map((rule) => ({ rule, holdsSinceMs: undefined, raised: false }));
  }

  get raised(): readonly string[] {
    return this.#standings.filter(({ raised }) => raised).map(({ rule }) => rule.name);
  }

  get size(): number {
    return this.#standings.length;
  }

  /** Which alerts are raised or cleared by this. An expression that cannot be evaluated changes nothing. */
  evaluate(context: Readonly<Record<string, unknown>>): RuleChange[] {
    const nowMs = this.#clock.monotonicMs();
    const changes: RuleChange[] = [];
    for (const standing of this.#standings) {
      const holds = this.#holds(standing.rule, context);
      if (holds === undefined) continue;
      standing.holdsSinceMs = holds ? (standing.holdsSinceMs ?? nowMs) : undefined;
      const isDue = standing.holdsSinceMs !== undefined && nowMs - standing.holdsSinceMs >= (standing.rule.forMs ?? 0);
      if (isDue === standing.raised) continue;
      standing.raised = isDue;
      const detail = `the rule "${standing.rule.name}" ${isDue ? "holds" : "holds no more"}`;
      changes.push({ rule: standing.rule, raised: isDue, detail });
    }
    return changes;
  }

  #holds(rule: AlertRule, context: Readonly<Record<string, unknown>>): boolean | undefined {
    try {
      return rule.when.test(context);
    } catch {
      this.errors++;
      return undefined;
    }
  }
}
