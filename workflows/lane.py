"""Keeps a lane at work, shift after shift."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.lanes import LaneActivities, WorkLane
    from workflows import policies
    from workflows.contracts import LaneInput, lanes_queue


@workflow.defn(name="TellalLane")
class LaneWorkflow:
    """A shift that dies with its worker is begun again by another within seconds."""

    @workflow.run
    async def run(self, lane: LaneInput) -> None:
        """Work shift after shift; then begin anew with a short history."""
        for number in range(policies.SHIFTS_PER_RUN):
            report = await workflow.execute_activity_method(
                LaneActivities.work,
                WorkLane(lane=lane.lane, shift_s=policies.SHIFT.total_seconds()),
                task_queue=lanes_queue(workflow.info().task_queue),
                start_to_close_timeout=policies.SHIFT_TIMEOUT,
                heartbeat_timeout=policies.LANE_HEARTBEAT,
                retry_policy=policies.LANE_RETRY,
                summary=f"shift {number + 1} of lane {lane.lane}",
            )
            workflow.set_current_details(
                f"Lane **{lane.lane}**, last shift: {report.accepted} accepted, "
                f"{report.rejected} rejected, {report.ambiguous} unanswered"
            )
        workflow.continue_as_new(lane)
