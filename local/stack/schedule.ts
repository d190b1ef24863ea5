/**
 * Runs a task at once and then again and again, the given time after the last one began, but never twice at a time.
 * @param onFailure told when the task failed; the schedule goes on
 * @returns ends the schedule, without waiting for a task that is under way
 */
export function startSchedule(
  intervalMs: number,
  task: () => Promise<unknown>,
  onFailure: (error: Error) => void,
): () => void {
  let running = false;
  const run = async (): Promise<void> => {
    if (running) {
      return;
    }
    running = true;
    try {
      await task();
    } catch (error) {
      onFailure(error instanceof Error ? error : new Error(String(error)));
    } finally {
      running = false;
    }
  };
  void run();
  const timer = setInterval(() => void run(), intervalMs);
  return () => clearInterval(timer);
}
