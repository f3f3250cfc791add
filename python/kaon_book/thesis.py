"""For each table and figure the statement of the thesis, and a sentence on its results at the small scale."""

#: Row: the statement of the thesis, and the sentence on the result at the small scale.
STATEMENTS = {
    "table-1.1": (
        "Tokens are better targets than features, continuous inputs better than codes, and the position belongs in "
        "the head; VQ-VAE 56.8 %, k-means 56.2 %, … regression 48.9 and 46.3 %.",
        "The backbones see 128,000 jets instead of five epochs of 100 million, and the probes are linear in 64 "
        "channels instead of 1024; the seeds of a row differ by one or two percent, as most rows do from each other."),
    "figure-1.2": (
        "pT and mass of the decoded jets agree with the original ones.",
        "The mass is as good as 512 codes for three features allow: k-means with 512 centroids leaves 0.94 of it, and "
        "0.91 if the codes are decoded by medians, which the L1 loss of the VQ-VAE estimates."),
    "figure-1.3": (
        "Below ten thousand labels, pre-training is much better than training from scratch; with enough labels "
        "training from scratch surpasses the fixed backbone and meets the fine-tuned one.",
        "The head of a fixed backbone is linear in 64 channels instead of 1024. Pre-training for a few minutes takes "
        "the place of days, and 10,000 labels are too few for training from scratch to catch up with fine-tuning."),
    "figure-1.4": (
        "On classes that the pre-training has not seen, fixed and fine-tuned backbones are better than training from "
        "scratch; with enough labels training from scratch is the best.",
        "The four classes are t → bℓν, t → bqq′, W and Z, of which the first is easy for any model."),
    "figure-1.5": (
        "Pre-trained backbones have a significance improvement above that of training from scratch, even when only the "
        "linear head is trained.",
        "The sample has 17,000 QCD jets instead of two million, so only signal fractions, not numbers of signal jets, "
        "can be compared with the thesis. Fine-tuned backbones have the highest mean for every number of signal jets, "
        "by less than the spread of the seeds."),
    "figure-1.6": (
        "BTag jets have fewer, charged constituents, other ranges of pT and angles, and wider impact parameters.",
        "The jets are simulated ones in the form of the two data sets, so that the figure checks the conventions of "
        "the files and not the detectors."),
    "table-1.3": (
        "Every change from MPMv1 to MPMv2 improves the accuracy, from 56.2 to 84.0 % (k-means) and from 48.9 to 83.3 % "
        "(regression); the transformer as decoder adds most and narrows the gap between the two.",
        "The rows are trained in 4,000 steps (the last in 16,000) with 64 channels; the later steps amount to about "
        "one percent each in the thesis."),
    "figure-1.8": (
        "The accuracy changes little with the mask rate: best at 40 %, above 80 % even at 90 %; it grows with the "
        "depth of the decoder.",
        "The decoder has 32 channels, and the probes see 10,000 labelled jets."),
    "figure-1.9a": (
        "All fine-tuned backbones are better than training from scratch, most with few labels; 85.0 to 85.3 % against "
        "84.3 % with all labels.",
        "The seeds include three backbones of each kind, so the bands also contain the spread of the pre-training."),
    "figure-1.9b": (
        "Pre-trained backbones have a much higher significance improvement; regression reaches 8.18 with 500 top jets.",
        "At 99 % rejection about five of the 538 QCD jets of the test file are left; the statistical error of this "
        "number, about 40 %, enters ε_S/√ε_B as about 20 %."),
    "figure-1.10a": (
        "All backbones, pre-trained on JetClass alone, classify BTag jets better than training from scratch and meet "
        "near 70 %.",
        "The ranges of the features differ from those of the pre-training, and the quantiles are those of JetClass, as "
        "in the thesis."),
    "figure-1.10b": (
        "All backbones surpass training from scratch in the adjusted Rand index; the flow is best.",
        "All models see 42,000 labelled jets, a quarter of the number of jets of the pre-training; VQ-VAE and k-means "
        "have the highest means. Few of the 4,508 test jets have more than four secondary vertices."),
    "figure-1.10c": (
        "All backbones surpass training from scratch in balanced accuracy for every number of tracks.",
        "Numbers of tracks with few test jets have large errors."),
    "figure-A.1a": (
        "Fixed backbones are close to the fine-tuned ones: their outputs are rich in features.",
        "The head reads 64 channels for each constituent instead of 512."),
    "figure-A.1b": (
        "Fixed backbones keep the high significance improvement with few signal jets.",
        "The statistics are those of Figure 1.9b."),
    "figure-A.2": (
        "Fixed backbones surpass training from scratch in all three BTag tasks.",
        "With 500 labelled jets three of six fixed backbones have a higher mean than training from scratch. It trains "
        "all its parameters on up to 42,000 labelled jets, while a fixed backbone of 64 channels has seen no BTag "
        "jet."),
    "figure-A.3": (
        "Regression predicts the centre of the distribution; k-means, flow and flow matching reproduce its shape.",
        "The widths are those of Δη of all constituents dropped in 200 jets; centroids, the means of their cells, are "
        "narrower than the constituents."),
}
#: What has no run behind it.
OTHERS = {
    "Figure 1.1": ("the scheme of masked particle modelling",
                   "a drawing; `configs/mpmv1-vqvae-head.yaml` is the model"),
    "Table 1.2": ("the features of a constituent", "the same seven features and eight identities "
                  "([data.md](data.md))"),
    "Figure 1.7": ("MPMv1, MPMv2 and set-to-set flow matching", "a drawing; `configs/mpmv2-*.yaml` and "
                   "`configs/set-flow.yaml` are the models"),
}
