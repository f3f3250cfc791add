import NN

/// What is said of keys, in the reference and in the files of `kaon init`.
package enum KeyDescriptions {
    /// What is said of a key; nil where nothing is.
    package static func text(of path: String) -> String? { name(of: path).flatMap { texts[$0] } }

    /// The entry of a key: its path, or else the longest end of it.
    package static func name(of path: String) -> String? {
        var name = path[...]
        while texts[String(name)] == nil {
            guard let dot = name.firstIndex(of: ".") else { return nil }
            name = name[name.index(after: dot)...]
        }
        return String(name)
    }

    /// Keys that files of `kaon init` leave out: their defaults serve nearly everybody.
    package static let rare = [
        "run.log_ranks", "run.wait_for_debugger", "parallel.overlap", "parallel.deterministic", "parallel.virtual_shards",
        "parallel.watchdog", "training.overfit_batches", "training.detect_anomaly", "training.max_skipped_steps",
        "training.tensorboard", "training.profile_steps", "training.profile_rank", "run.name",
        "optimizer.name", "optimizer.beta1", "optimizer.beta2", "optimizer.epsilon",
        "model.quantiser.synchronisation", "model.quantiser.affine_rate", "model.position_in_backbone",
    ]

    package static let texts: [String: String] = [
        "seed": "names all random numbers: the same seed trains the same model on any number of ranks",
        "objective": "what is trained ([objectives](objectives.md), [downstream tasks](downstream.md))",
        "backbone": "a checkpoint, or an exported model, whose backbone is built on",
        "backbone_mode": "whether the backbone learns: not at all, after a rest, or from fresh weights",

        "run.name": "what the run is called; NAME is that of the configuration file",
        "run.directory": "where the run writes; `{name}`, `{objective}`, `{seed}`, `{date}` and `{slurm_job_id}` stand for "
            + "their values ([names](watching.md))",
        "run.resume": "`auto`: go on from the latest checkpoint of the folder; `never`: begin in a folder without any; or "
            + "the checkpoint to go on from",
        "run.log_ranks": "whether rank 0 alone writes a log, or each rank its own",
        "run.wait_for_debugger": "the rank that waits for a debugger before it begins",
        "run.time_limit": "the run stops in time to be at its end by then, with a checkpoint and exit code 75",
        "run.evaluate": "the checkpoint that is evaluated on `data.test` once all steps are done",

        "data.train": "HDF5 files of jets, folders of them, or patterns with `*`",
        "data.validation": "likewise, for validations",
        "data.test": "likewise, for `kaon evaluate` and `kaon encode`",
        "data.features": "the features that the model sees: `all`, or a list of `pt`, `deta`, `dphi`, `d0`, `d0err`, `dz`, "
            + "`dzerr`",
        "data.max_constituents": "constituents of a jet after this many, in decreasing pT, are left out",
        "data.classes": "the classes of jets that are used, by name",
        "data.jets": "so many training jets, evenly from the classes, the same for a seed",
        "data.shuffle": "whether the order of the training jets is random",

        "preprocessing.name": "to a standard normal distribution through quantiles (version 2), or to mean 0 and "
            + "variance 1 (version 1)",
        "preprocessing.jets": "the most jets that it is fitted to",
        "preprocessing.quantiles": "the number of quantiles of each feature",

        "model.encoder.block": "what the backbone is made of: blocks of version 2 or of version 1",
        "width": "channels",
        "layers": "the number of blocks",
        "heads": "attention heads; they divide the width",
        "feedforward_multiplier": "the hidden width of the feed-forward networks over the width",
        "hidden": "the hidden width of the feed-forward networks",
        "dropout": "the rate of dropout in training",
        "encoder.registers": "learned tokens in front of every jet",
        "layer_scale": "what the scales of the residual branches begin with; `null` leaves them out",
        "final_norm": "whether a last norm follows the blocks",
        "model.identity": "whether the model sees what constituents are",
        "model.inputs.name": "what stands for a constituent at the input: its features, the centroid of its cluster, or the "
            + "vector of its code in the VQ-VAE of `tokenizer`",
        "clusters": "the number of centroids",
        "fit_jets": "jets that it is fitted to at the start",
        "iterations": "iterations of k-means",
        "model.position": "where the order in pT is told: to the head, to the backbone, or nowhere",
        "model.head_width": "the hidden width of the perceptron that recovers constituents; `auto`: that of the backbone",
        "model.position_in_backbone": "whether the order in pT is told to the backbone",
        "model.initial_weights": "a checkpoint or a safetensors file whose weights the run begins with "
            + "([export](export.md))",
        "quantiser.codes": "the number of codes",
        "quantiser.dimension": "channels of a latent vector and of a code",
        "quantiser.beta": "the share of the commitment loss that moves the codes",
        "quantiser.synchronisation": "what the gradient of the reconstruction counts for the codes",
        "quantiser.affine_rate": "how much faster than the rest the affine map of all codes learns",

        "masking.strategy": "which constituents are hidden: some at random, random ones with a fraction of the pT, a fraction "
            + "drawn for each jet, one and its nearest, or all within a radius of one",
        "masking.fraction": "the fraction of the constituents, or of the pT, that is hidden",
        "masking.range": "the lowest and the highest fraction",
        "masking.radius": "the radius in the plane of Δη and Δφ",

        "tasks.particle_id": "recover what a constituent is",
        "tasks.regression": "recover the features",
        "tasks.bins": "recover the bin of each feature",
        "tasks.kmeans": "recover the nearest centroid",
        "tasks.vqvae": "recover the code in the VQ-VAE of `tokenizer`",
        "tasks.flow": "learn the density of the features by a normalising flow",
        "tasks.flow_matching": "learn the distribution of the features by flow matching",
        "tasks.probe": "watch, by a linear probe, what the encoder knows of the classes",
        "weight": "what the loss of the task counts in the total loss",
        "label_smoothing": "the share of the target that all classes get alike",
        "class_weights": "weights of the eight identities, or inversely to how frequent they are",
        "tasks.regression.loss": "the absolute error or the squared one",
        "tasks.bins.bins": "the number of bins of each feature",
        "tasks.bins.spacing": "as many values in each bin, or bins of equal width",
        "tasks.flow.context": "channels of the linear map of the condition",
        "tasks.flow.layers": "coupling layers",
        "tasks.flow.width": "the hidden width of their networks",
        "tasks.flow.depth": "hidden layers of their networks",
        "tasks.flow.bins": "bins of the splines",
        "tasks.flow.tail_bound": "where the splines end and the identity begins",
        "tasks.flow.noise": "the deviation of the noise on the impact parameters",
        "tasks.flow_matching.condition": "channels of the linear map of the condition",
        "tasks.flow_matching.width": "the hidden width of the perceptron",
        "tasks.flow_matching.layers": "its layers",
        "tasks.flow_matching.time_features": "cosines that stand for the time",
        "tasks.flow_matching.decay": "of the moving average of the head that samples are drawn with",
        "tasks.probe.interval": "steps between two looks",

        "tokenizer": "the VQ-VAE whose codes are inputs or targets",
        "tokenizer.checkpoint": "the checkpoint of the VQ-VAE, or its export; the other keys of the section follow from it",
        "vqvae.commitment_weight": "what the commitment loss counts",
        "vqvae.commitment_interval": "steps from one commitment loss to the next",
        "vqvae.revival_steps": "a code that nobody has chosen for so many steps begins anew",
        "vqvae.fit_jets": "jets whose latent vectors the code book begins with",
        "set_flow.fit_jets": "jets whose numbers of constituents are remembered, for `kaon generate`",

        "fine_tuning.frozen_steps": "steps at which the head learns alone",
        "fine_tuning.catch_up_steps": "steps over which the learning rate of the backbone then rises to that of the head",
        "fine_tuning.cache": "whether what a fixed backbone says of a jet is kept in memory, as far as it fits",
        "fine_tuning.cache_limit": "the memory for that on each rank, in MiB",

        "head.name": "what tells the class: attention of a class token, or a weighted mean and a linear map",
        "head.gamma": "the exponent of the focal loss",
        "head.positive_weight": "what pairs of one vertex count in the loss",
        "cwola.background": "the classes of both samples",
        "cwola.signal": "the classes that are added to one of them",
        "cwola.background_jets": "background jets, shared out to the two samples",
        "cwola.signal_jets": "signal jets that are added",

        "optimizer.name": "AdamW is the one there is",
        "optimizer.learning_rate": "the highest learning rate, which `schedule` scales",
        "optimizer.weight_decay": "decoupled, times the learning rate",
        "optimizer.beta1": "how slowly the mean of the gradient changes",
        "optimizer.beta2": "how slowly the mean of its square changes",
        "optimizer.epsilon": "what is added to the root of that",
        "optimizer.gradient_clip": "the largest norm of the gradient; `null` for no limit",

        "schedule.name": "how the learning rate changes: not at all; a linear rise, then a fall by halves; or a rise, then half "
            + "a cosine",
        "schedule.warmup_steps": "steps of the rise",
        "schedule.half_life": "steps in which it falls by half",
        "schedule.total_steps": "the step at which the cosine ends; by default the last of the run",
        "schedule.initial_factor": "what the rise begins with, over the highest learning rate",
        "schedule.final_factor": "what it never falls below, over the highest learning rate",

        "training.steps": "steps of the whole run",
        "training.batch_size": "jets of a step over all ranks",
        "training.micro_batch_size": "jets that a rank computes at once; it bounds the memory, and is no part of the result",
        "training.validation_interval": "steps from one validation to the next",
        "training.validation_jets": "the most jets of a validation",
        "training.checkpoint_interval": "steps from one checkpoint to the next",
        "training.log_interval": "steps from one row of `metrics.csv` to the next",
        "training.overfit_batches": "train on so many batches again and again, to find faults",
        "training.detect_anomaly": "look at every value, to name the first that is not finite; slow",
        "training.keep_last": "checkpoints that stay, the last ones",
        "training.keep_every": "checkpoints at multiples of so many steps stay, too",
        "training.early_stopping_patience": "validations without a lower loss after which the run ends",
        "training.tensorboard.enabled": "whether event files for TensorBoard are written ([watching a run](watching.md))",
        "training.tensorboard.histogram_interval": "steps from one histogram of gradients and weights to the next",
        "training.profile_steps": "the step, or the first and the last step, of which a Chrome trace is written",
        "training.profile_rank": "the rank whose trace it is",
        "training.max_skipped_steps": "steps in a row whose loss or gradient may be not finite",

        "parallel.threads": "threads of each rank; `auto`: the cores that it may use",
        "parallel.precision": "what matrix products multiply: bfloat16 numbers, summed in single precision, where the "
            + "processors of all ranks have them (`bf16` says so where they do not, `auto` does not), or `fp32`",
        "parallel.reduce_precision": "what gradients travel as between the ranks; they are added in single precision",
        "parallel.overlap": "whether gradients are sent while the backward pass still runs",
        "parallel.deterministic": "whether the same bits come on any number of ranks that divides `virtual_shards`",
        "parallel.virtual_shards": "parts of a batch that a deterministic run adds in one order; a power of two",
        "parallel.watchdog.enabled": "whether a rank that hangs ends the job",
        "parallel.watchdog.silence": "seconds without a sign of life from a process",
        "parallel.watchdog.start_up": "seconds that one part of the start may take",
        "parallel.watchdog.reading": "seconds that jets may take to come",
        "parallel.watchdog.computing": "seconds of a micro-batch",
        "parallel.watchdog.summing": "seconds of a sum over the ranks",
        "parallel.watchdog.validation": "seconds of one batch of a validation",
        "parallel.watchdog.saving": "seconds of a checkpoint",
    ]
}
