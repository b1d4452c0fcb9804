---@meta
error("meta file")

--- What a canary asks for, as a driver sees it: fresh for each call.
---@class CanaryView
---@field name string
---@field namespace string
---@field uid string
---@field provider string "smi:v1alpha2:istio"
---@field target string the workload
---@field apex string the Service that users call
---@field primary string the Service of the primary: apex-primary
---@field canary string the Service of the canary: apex-canary
---@field port integer
---@field port_name string
---@field target_port integer|string|nil
---@field strategy "canary"|"ab-testing"|"blue-green"
---@field iterations integer of the analysis
---@field interval_seconds integer of the analysis
---@field spec table spec as it is written
---@field service table spec.service, empty when there is none
---@field analysis table spec.analysis
---@field match table[]|nil the conditions of A/B
---@field annotations table<string, string> of the Canary
---@field selector { key: string, value: string } the label of the target's pods; not in `check`
---@field phase string "Progressing"; not in `check`
---@field iteration integer how many have been; not in `check`
---@field cookie string of those who keep to the canary, "name=value" or ""; not in `check`
---@field inventory table|nil what `inventory` returned, before the first edit; not in `check`
---@field previous_cookie string to be taken away; not in `check`

--- Percent, absolute: applying it twice is applying it once. With `canary.match` it is about those who match.
---@class TrafficSplit
---@field primary integer
---@field canary integer
---@field mirror boolean

---@class KubeObject
---@field apiVersion string
---@field kind string
---@field metadata table
---@field spec table

--- What shall be. What is owned is created and applied whole; what is somebody else's is only edited.
---@class Desired
---@field own KubeObject[]|nil in the order in which they must exist
---@field edit { path: string, patch: table[] }[]|nil JSON Patches, with `test`
---@field delete string[]|nil paths

---@class Observed
---@field state "live"|"pending"|"absent"|"broken"
---@field primary integer|nil
---@field canary integer|nil
---@field mirror boolean|nil
---@field why string|nil a sentence, unless it is live

---@class Problem
---@field path string "spec.analysis.match[0]"
---@field text string half a sentence
---@field warning boolean|nil it works, but not as one might think

--- What a file of lua/traffic/ returns, or makes of the provider's name.
---@class TrafficDriver
---@field name string
---@field can_weigh boolean shares of traffic
---@field can_match boolean requests apart (A/B)
---@field can_mirror boolean
---@field can_stick boolean session affinity
---@field kinds table<string, table<string, string>> what it owns: {["group/version"] = {Kind = "plural"}}
---@field adopts table<string, string>|nil routes of the team that `spec.routeRef` may name: {Kind = "plural"}
---@field queries table<string, string>|nil "request-success-rate" and "request-duration", in PromQL
---@field description string|nil
---@field check nil|fun(canary: CanaryView): Problem[] what this driver cannot do of what is asked for
---@field needs fun(canary: CanaryView, objects: table<string, KubeObject>): string[] paths to read, asked again with
--- what was read until it names no more; the first is the object that carries the weights
---@field desired fun(canary: CanaryView, split: TrafficSplit, objects: table<string, KubeObject>): Desired
---@field observed fun(canary: CanaryView, objects: table<string, KubeObject>): Observed
---@field inventory nil|fun(canary: CanaryView, objects: table<string, KubeObject>): table|nil what is about to be
--- changed of a route that is somebody else's; kept in the status, and given to `restore`
---@field restore nil|fun(canary: CanaryView, objects: table<string, KubeObject>): Desired gives back what was there
