--- Rolls back at the second failed check in a row, or when the threshold is reached.

local M = { name = "rollback-early" }

function M.rollback(rollout)
  local history = rollout.history
  local last, before = history[#history], history[#history - 1]
  if last and before and last.verdict == "fail" and before.verdict == "fail" then
    return { rollback = true, reason = "two checks in a row failed" }
  end
  if rollout.failed_checks >= rollout.threshold then
    return { rollback = true, reason = string.format("failed checks threshold reached %d", rollout.failed_checks) }
  end
  return { rollback = false }
end

return M
