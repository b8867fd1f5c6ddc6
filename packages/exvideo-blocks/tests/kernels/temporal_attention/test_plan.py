import pytest
import torch
from exvideo_blocks.kernels.temporal_attention.plan import Plan, longest_whole_row, plan_for, probed_length

EVERY_LENGTH = range(1, 1025)


@pytest.mark.parametrize("warpgroups", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [16, 24, 40, 64, 80, 128])
def test_every_shape_has_a_plan_that_holds_it(head_dim: int, dtype: torch.dtype, warpgroups: bool) -> None:
    for num_frames in EVERY_LENGTH:
        plan = plan_for(num_frames, head_dim, dtype, warpgroups)
        assert plan.block_d >= max(16, head_dim)
        assert plan.whole_row == (plan.backward_key_value is None)
        assert plan.whole_row == (num_frames <= longest_whole_row(head_dim, dtype, warpgroups))
        for tiles in (plan.forward, plan.backward, plan.backward_key_value or plan.backward):
            for block in (tiles.block_m, tiles.block_n):
                assert block >= 16
                assert block & (block - 1) == 0  # Triton's arange takes powers of two
            if plan.whole_row:
                assert plan.pack * num_frames <= tiles.block_n
                assert plan.pack > 1 or num_frames > tiles.block_n // 2  # whose columns are not masked
            if plan.pack > 1:
                assert tiles.block_m == tiles.block_n  # so that a row beyond the pack sees itself


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_whole_rows_to_256_frames(dtype: torch.dtype) -> None:
    assert all(plan_for(num_frames, 64, dtype).whole_row for num_frames in range(1, 257))
    assert not plan_for(257, 64, dtype).whole_row
    assert not plan_for(129, 64, dtype, warpgroups=False).whole_row


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("warpgroups", [True, False])
def test_what_is_probed_has_the_tiles_of_what_is_run(head_dim: int, dtype: torch.dtype, warpgroups: bool) -> None:
    def tiles(plan: Plan) -> tuple[object, ...]:
        return plan.whole_row, plan.forward, plan.backward, plan.backward_key_value

    for num_frames in EVERY_LENGTH:
        probed = probed_length(num_frames)
        assert tiles(plan_for(probed, head_dim, dtype, warpgroups)) == tiles(
            plan_for(num_frames, head_dim, dtype, warpgroups)
        )
