---@meta
error("meta file")
--- What a policy is given and may answer: for editors that know LuaLS (`---@type Policy` before the table of hooks).

---@class Metric one of spec.analysis.metrics
---@field name string
---@field interval? string
---@field thresholdRange? { min?: number, max?: number }
---@field threshold? number
---@field query? string
---@field templateRef? { name: string, namespace?: string }
---@field templateVariables? table<string, string>
---@field onNoData? "fail"|"hold"
---@field onError? "fail"|"hold"
---@field failureLimit? integer failed checks of its own at which it is enough; they do not count towards the threshold

---@class Sample
---@field name string
---@field kind "ok"|"no-data"|"nan"|"ambiguous"|"stale"|"error"
---@field value? number when `ok` or `stale`
---@field count? number of what the value was made of, where the store says so
---@field error? string the kind of error, when `error`
---@field text? string when not
---@field range? { min?: number, max?: number }
---@field metric Metric as `thresholds` gave it

---@class Decision
---@field time number seconds since 1970
---@field weight number
---@field verdict "pass"|"fail"|"hold"|"error"
---@field text string at most 119 bytes of it
---@field kind? string of the sample that decided, as in `Sample`, unless it was a value

---@class Analysis spec.analysis, with defaults filled in
---@field interval_seconds number
---@field threshold integer
---@field iterations integer
---@field maxWeight integer
---@field stepWeight integer
---@field stepWeights? integer[]
---@field stepWeightPromotion integer
---@field step_seconds? number[] stepIntervals
---@field watch_seconds number watch, or 0
---@field onGoodRevision? "Analyse"|"Promote"
---@field mirror boolean
---@field mirrorWeight integer
---@field metrics Metric[]
---@field match? Match[]

---@class Match one of spec.analysis.match
---@field headers? table<string, { exact?: string, prefix?: string, suffix?: string, regex?: string }>
---@field queryParams? table<string, table>
---@field sourceLabels? table<string, string>

---@class Clock
---@field zone string
---@field error? string why nothing else is known: there is no such zone
---@field year? integer
---@field month? integer
---@field day? integer
---@field hour? integer
---@field minute? integer
---@field second? integer
---@field weekday? "Mon"|"Tue"|"Wed"|"Thu"|"Fri"|"Sat"|"Sun"
---@field offset? integer seconds east of UTC

---@class Peer
---@field name string
---@field namespace string
---@field phase string
---@field weight integer
---@field failed_checks integer
---@field revision string

---@class Rollout a plain table, fresh for each call
---@field name string
---@field namespace string
---@field target string
---@field primary string
---@field provider string
---@field phase string
---@field strategy "canary"|"ab-testing"|"blue-green"
---@field revision string
---@field weight integer of the canary
---@field primary_weight integer
---@field mirrored boolean
---@field iterations integer
---@field failed_checks integer
---@field failures { name: string, failed: integer, limit: integer }[] of metrics with a failureLimit, in this release
---@field steps integer how often the traffic of this release has changed
---@field step_age? number seconds since it is as it is; nil before the first step
---@field threshold integer
---@field good boolean this revision is one of the last four that were promoted
---@field now number seconds since 1970, UTC
---@field ready { canary: integer, primary: integer }
---@field spec table
---@field analysis Analysis
---@field changed { image: boolean, env: boolean, config: boolean }
---@field samples? Sample[] of this check, for `judge` and `step`
---@field clock Clock what the clocks of params.zone show (UTC when it is not said)
---@field peers table<string, Peer> the canaries that params.peers names, by what is written there; those that there are
---@field history Decision[] newest last
---@field params table spec.analysis.policy.params
---@field state table what `step` returned last

---@class Start
---@field action "go"|"hold"|"promote"|"slot"
---@field name? string the slot
---@field limit? integer how many may hold it at a time; 1 when not said
---@field reason? string
---@field seconds? number

---@class Verdict
---@field verdict "pass"|"fail"|"hold"
---@field reason? string

---@class Step
---@field action "route"|"promote"|"hold"|"rollback"
---@field weight? number of the canary, 0 to 100
---@field iteration? integer
---@field mirror? boolean
---@field confirm? boolean ask the confirm-promotion webhooks before
---@field message? string instead of the usual event; "" for none
---@field reason? string
---@field seconds? number how long to hold
---@field state? table what to remember, up to 2 KiB

---@class Pace
---@field seconds number how long the step lasts that is live now, from when it began

---@class Rollback
---@field rollback boolean
---@field reason? string

---@class Promotion
---@field weight number of the primary, 0 to 100

--- A hook that is absent, or answers nil, leaves the decision to the stock policy.
---@class Policy
---@field name? string
---@field description? string
---@field params? table
---@field start? fun(rollout: Rollout): Start?
---@field thresholds? fun(rollout: Rollout): Metric[]?
---@field match? fun(rollout: Rollout): Match[]?
---@field judge? fun(rollout: Rollout, sample: Sample): Verdict?
---@field step? fun(rollout: Rollout): Step?
---@field pace? fun(rollout: Rollout): Pace?
---@field rollback? fun(rollout: Rollout): Rollback?
---@field promotion? fun(rollout: Rollout): Promotion?
