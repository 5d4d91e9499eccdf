"""Terms that a page uses, each in one sentence; reports/README.md holds the same table.

python -m reports.words.glossary            prints the table that stands in reports/README.md; a test compares the two
"""

from reports.words.document import Table, table

TERMS = {
    "accuracy": "The share of samples in which the judge, a classifier trained on real images, sees the class that was "
    "asked for.",
    "backbone": "The network that is trained: `dit` is a transformer over patches of the image, `unet` a convolutional "
    "network.",
    "best case": "An objective's lowest FID over a small grid of samplers, chosen on some samples, scored on others.",
    "bootstrap": "Computing a number again on data drawn with replacement from the data at hand, to see how much it "
    "varies.",
    "confidence set": "The ranks that an objective may truly have, given how much runs differ: it holds the true rank "
    "in at least 95% of such studies.",
    "control setting": "One way to draw and score samples (data set, backbone, weights, sampler, steps, start, "
    "guidance), the same for every objective.",
    "controlled pair": "Two objectives that differ in one thing only, so that a difference in score is due to it.",
    "density": "How often training draws each noise level: `lognorm(0,1)` mostly middle ones, `uniform` all alike "
    "along the path, `cosmap` those of a cosine path.",
    "effective weight": "How much an error at each noise level counts in the expected loss, by how often that level is "
    "drawn and by the loss's weight there.",
    "EMA": "Exponential moving average: weights averaged over the last steps of training, which draw better than the "
    "last ones.",
    "FID": "Frechet distance between the judge's features of samples and of training images; 0: the same distribution, "
    "lower is better. fid@300 is from 300 samples, and is compared with no other number of samples.",
    "floor": "FID of real test images against training images: about the lowest that a perfect model would reach.",
    "guidance": "Pushing each step of sampling away from the prediction without a label; 1 is no guidance, 2 is twice "
    "the difference.",
    "jackknife": "Leaving out a block of samples at a time, to remove FID's bias from few samples and to estimate its "
    "standard error.",
    "judge": "The fixed classifier whose features and decisions give FID and accuracy.",
    "Kendall's tau": "Agreement of two orders: 1 is the same order, 0 no relation, -1 the reverse.",
    "logsnr": "Log-SNR, the logarithm of the signal-to-noise ratio alpha^2 / sigma^2, a noise level on a scale without "
    "units: -10 is almost pure noise, 10 almost a clean image.",
    "objective": "What the network is trained on: target, path, density of noise levels, and weight of the errors.",
    "Pareto front": "The objectives that no other beats in both FID and accuracy; without them the next front, and so "
    "on. The mean front is the mean of that number over all control settings: the rank of Stable Diffusion 3's study.",
    "rank": "One more than the number of objectives that are better by more than one standard error, by FID over all "
    "control settings; 1 is the best.",
    "sampler": "The method that turns noise into an image step by step with a trained network.",
    "seed": "The number that fixes a run's random choices; training again with another shows how much chance does.",
    "snapshot": "A score taken in the middle of training.",
    "standard error": "How far a number typically is from what endless samples (or runs) would give.",
    "start": "The logsnr at which sampling begins: from -10 the first step multiplies an error of a predicted eps by "
    "148, from -5.4 by 15.",
    "target": "What the network is trained to put out: the noise (eps), the clean image (x0), a mix of both (v), the "
    "velocity from one to the other (flow), or EDM's scaled image (edm).",
    "x_hat": "The clean image that the network's prediction stands for, at any step.",
}


def glossary() -> Table:
    """The terms in alphabetical order, as a page shows them."""
    rows = [(term, text.replace("`", "")) for term, text in sorted(TERMS.items(), key=lambda one: one[0].lower())]
    return table(["term", "meaning"], rows, names=2)


def markdown() -> str:
    """The table of reports/README.md."""
    lines = [f"| {term} | {text} |" for term, text in sorted(TERMS.items(), key=lambda one: one[0].lower())]
    return "\n".join(["| term | meaning |", "|---|---|", *lines])


if __name__ == "__main__":
    print(markdown())
