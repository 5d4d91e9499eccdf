"""A diffusers pipeline that draws images from a network of the Objective zoo.

`python -m zoo.export` writes this file beside the weights. It needs torch and diffusers alone.

    x_t = alpha x + sigma eps,   y = a x + b eps is what the network predicts, (a, b) by `target`
    network input x_t / sqrt(alpha^2 + sigma^2), network time (2 / pi) atan2(sigma, alpha) time_scale, times 1000

alpha and sigma lie on a `curve`: the circle alpha^2 + sigma^2 = 1, or the line alpha + sigma = 1. An Euler step of
rectified flow on the line is a DDIM step on any curve, at the same noise levels: so diffusers' flow scheduler draws
what this project's `euler` draws. A scheduler with DDPM's table (`alphas_cumprod`) takes its own integer steps.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor


class ObjectivePipeline(DiffusionPipeline):
    """Images of given classes, or of no class, [N, C, H, W] standardised by `mean` and `std` of the pixels in [0, 1].

    unet or transformer: the network, (x, 1000 time, class labels) -> y; its label `num_classes` means "none".
    target: eps, x0, v, flow or edm (with sigma_data). logsnr_low, logsnr_high: where the steps begin and end.
    time_scale: what the network's time is multiplied by.
    """

    _optional_components = ["unet", "transformer"]  # noqa: RUF012 (as diffusers reads it)
    model_cpu_offload_seq: Any = "unet->transformer"
    scheduler: Any  # what `register_modules` and `register_to_config` set
    unet: Any
    transformer: Any
    config: Any

    def __init__(
        self,
        scheduler: SchedulerMixin,
        unet: UNet2DModel | None = None,
        transformer: ModelMixin | None = None,
        target: str = "eps",
        curve: str = "circle",
        sigma_data: float = 0.5,
        mean: float = 0.0,
        std: float = 1.0,
        num_classes: int = 12,
        image_shape: Sequence = (1, 28, 28),  # a list where it comes from JSON
        logsnr_low: float = -10.0,
        logsnr_high: float = 10.0,
        time_scale: float = 1.0,
    ):
        super().__init__()
        self.register_modules(scheduler=scheduler, unet=unet, transformer=transformer)
        self.register_to_config(
            target=target, curve=curve, sigma_data=sigma_data, mean=mean, std=std, num_classes=num_classes,
            image_shape=tuple(image_shape), logsnr_low=logsnr_low, logsnr_high=logsnr_high,
            time_scale=time_scale,
        )  # fmt: skip

    @property
    def network(self) -> Any:
        """The network, of either kind."""
        return self.unet if self.unet is not None else self.transformer

    def noise_levels(self, steps: int, start: float | None = None) -> list[float]:
        """Shares of noise f = sigma / (alpha + sigma) of `steps` steps: equal parts, the last of which ends at 0.

        start: logsnr of the first one (default: the lowest that the network was trained for, from -10 up).
        """
        low = self.config.logsnr_low if start is None else max(start, self.config.logsnr_low)
        first, last = (1 / (1 + math.exp(logsnr / 2)) for logsnr in (low, self.config.logsnr_high))
        return [first + (last - first) * i / steps for i in range(steps)]

    @torch.no_grad()
    def __call__(
        self,
        class_labels: list[int] | Tensor | None = None,
        batch_size: int = 1,
        num_inference_steps: int = 20,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        sigmas: list[float] | None = None,
        start: float | None = None,
        clip: bool = True,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> Any:
        """Draw images.

        class_labels: one for each image; None: `batch_size` images of no class. guidance_scale: of classifier-free
        guidance, 1 is none; guidance_rescale: how far the contrast is kept (arXiv 2305.08891). latents: standard
        normal noise [N, C, H, W] to begin with. sigmas: shares of noise for the flow scheduler, decreasing, instead of
        `noise_levels`. clip: clamp every estimate of the image to black and white. output_type: pil, np, pt, or latent
        (standardised, not clamped).
        """
        none = self.config.num_classes
        labels = [none] * batch_size if class_labels is None else class_labels
        labels = torch.as_tensor(labels, dtype=torch.int64, device=self._execution_device)
        if labels.ndim != 1 or not len(labels) or int(labels.min()) < 0 or int(labels.max()) > none:
            raise ValueError(f"class_labels: a list of classes 0 to {none - 1}, or {none} for none")
        shape = (len(labels), *self.config.image_shape)
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=self._execution_device)
        elif tuple(latents.shape) != shape:
            raise ValueError(f"latents: {list(shape)} for these labels, not {list(latents.shape)}")
        draw = self._by_table if hasattr(self.scheduler, "alphas_cumprod") else self._by_flow
        how = (labels, guidance_scale, guidance_rescale, clip)
        x = draw(latents.to(self._execution_device), num_inference_steps, sigmas, start, generator, how)
        images: Any = x if output_type == "latent" else self._decoded(x, output_type)
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _by_flow(
        self, x: Tensor, steps: int, sigmas: list[float] | None, start: float | None, generator: Any, how: Any
    ) -> Tensor:
        """Along the straight line, (1 - f) x + f eps, at any noise levels f."""
        levels = self.noise_levels(steps, start) if sigmas is None else list(sigmas)
        self.scheduler.set_timesteps(sigmas=levels, device=x.device)
        levels = self.scheduler.sigmas.tolist()
        x = x * math.hypot(1 - levels[0], levels[0])  # standardised data have variance 1
        for f, t in zip(self.progress_bar(levels[:-1]), self.scheduler.timesteps, strict=True):
            x_hat, eps_hat = self._denoise(x, 1 - f, f, *how)
            x = self.scheduler.step(eps_hat - x_hat, t, x, generator=generator).prev_sample
        return x

    def _by_table(
        self, x: Tensor, steps: int, sigmas: list[float] | None, start: float | None, generator: Any, how: Any
    ) -> Tensor:
        """Along DDPM's table of 1000 steps."""
        if sigmas is not None or start is not None:
            raise ValueError(
                "sigmas and start need a flow scheduler: pipe.scheduler = FlowMatchEulerDiscreteScheduler()"
            )
        self.scheduler.set_timesteps(steps, device=x.device)
        for t in self.progress_bar(self.scheduler.timesteps):
            share = float(self.scheduler.alphas_cumprod[int(t)])
            alpha, sigma = math.sqrt(share), math.sqrt(1 - share)
            x_hat, eps_hat = self._denoise(x, alpha, sigma, *how)
            kind = self.scheduler.config.prediction_type
            output = {"epsilon": eps_hat, "sample": x_hat, "v_prediction": alpha * eps_hat - sigma * x_hat}[kind]
            x = self.scheduler.step(output, t, x, generator=generator).prev_sample
        return x

    def _denoise(
        self, x: Tensor, alpha: float, sigma: float, labels: Tensor, guidance: float, rescale: float, clip: bool
    ) -> tuple[Tensor, Tensor]:
        """(x_hat, eps_hat) of the state x = alpha x_0 + sigma eps, on whichever curve; guided and clipped."""
        x_hat, eps_hat = self._predicted(x, alpha, sigma, labels)
        if guidance != 1:
            without, _ = self._predicted(x, alpha, sigma, torch.full_like(labels, self.config.num_classes))
            guided = without + guidance * (x_hat - without)
            if rescale:
                spread = [each.std(dim=(1, 2, 3), keepdim=True) for each in (x_hat, guided)]
                guided = guided * (1 - rescale + rescale * spread[0] / spread[1].clamp(min=1e-12))
            x_hat = guided
        if clip:
            low, high = -self.config.mean / self.config.std, (1 - self.config.mean) / self.config.std
            x_hat = x_hat.clamp(low, high)
        return (x_hat, (x - alpha * x_hat) / sigma) if clip or guidance != 1 else (x_hat, eps_hat)

    def _predicted(self, x: Tensor, alpha: float, sigma: float, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(x_hat, eps_hat) as the network's prediction stands for them."""
        length = math.hypot(alpha, sigma)
        angle = math.atan2(sigma, alpha) * 2 / math.pi
        time = torch.full((len(x),), angle * self.config.time_scale, device=x.device)
        dtype = self.network.dtype
        y = self.network((x / length).to(dtype), 1000 * time.to(dtype), class_labels=labels, return_dict=False)[0].to(
            x.dtype
        )
        unit = 1 / (length if self.config.curve == "circle" else alpha + sigma)  # onto the curve of training
        a, b = _row(self.config.target, alpha * unit, sigma * unit, self.config.sigma_data)
        determinant = alpha * unit * b - sigma * unit * a
        state = unit * x
        return (b * state - sigma * unit * y) / determinant, (alpha * unit * y - a * state) / determinant

    def _decoded(self, x: Tensor, output_type: str) -> Any:
        pixels = (x * self.config.std + self.config.mean).clamp(0, 1)
        if output_type == "pt":
            return pixels
        array = pixels.float().cpu().permute(0, 2, 3, 1).numpy()
        return self.numpy_to_pil(array) if output_type == "pil" else array


def _row(target: str, alpha: float, sigma: float, s: float) -> tuple[float, float]:
    """The coefficients (a, b) of the prediction y = a x + b eps."""
    if target == "edm":  # arXiv 2206.00364, table 1, times alpha
        length = math.hypot(sigma, s * alpha)
        return sigma / (s * length), -s * alpha / length
    return {"eps": (0.0, 1.0), "x0": (1.0, 0.0), "v": (-sigma, alpha), "flow": (-1.0, 1.0)}[target]
