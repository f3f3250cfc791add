import Configuration

/// Training of the backbone in a downstream task: `backbone_mode` and the section `fine_tuning`.
package struct FineTuning: Sendable, Equatable {
    package enum Mode: String, CaseIterable, Sendable {
        /// The backbone keeps its pre-trained weights; only the head is trained.
        case fixed
        /// Both are trained; the backbone is frozen at first, then its learning rate rises.
        case fineTuned = "fine_tuned"
        /// The backbone starts from initial weights and is trained like the head.
        case scratch
    }

    /// `fine_tuning.cache`: caching of the encodings of a fixed backbone.
    package enum Cache: String, CaseIterable, Sendable {
        /// As many as fit. Every epoch then uses the preprocessing noise of epoch 0, also for jets that are not cached.
        case auto
        /// No cache: every jet is encoded in every epoch, with new noise.
        case never
    }

    package var mode = Mode.fineTuned
    /// True if `backbone_mode` was left out.
    package var isDefaultMode = false
    /// Number of steps in which only the head is trained.
    package var frozenSteps = 5000
    /// Number of steps over which the backbone's learning rate then rises.
    package var catchUpSteps = 5000
    /// Ratio of the backbone's learning rate to that of the head after these steps.
    package var learningRateRatio = 1.0
    package var cache = Cache.auto
    /// Largest size of the cache on each rank [MiB].
    package var cacheLimit = 1024

    package init() {}

    /// Decodes the keys from the root of a configuration. Throws `ConfigurationError`.
    package init(from root: Section) throws {
        let hasBackbone = root.has("backbone") && !root.isNull("backbone")
        isDefaultMode = !root.has("backbone_mode")
        guard hasBackbone || !isDefaultMode else {
            throw root.error(
                "backbone_mode",
                "missing, and no backbone is given: add backbone=CHECKPOINT of a pre-training, or "
                    + "backbone_mode=scratch to train from random initial weights")
        }
        mode = try root.choice(
            "backbone_mode", of: Mode.self, default: hasBackbone ? .fineTuned : nil,
            help: "training of the backbone: none, fine-tuning after `fine_tuning.frozen_steps`, or from scratch")
        guard hasBackbone || mode == .scratch else {
            throw root.error(
                "backbone",
                "backbone_mode is \(mode.rawValue), but there is no backbone; name the checkpoint of a "
                    + "pre-training, or set backbone_mode=scratch")
        }
        let section = try root.section("fine_tuning")
        frozenSteps = try section.int(
            "frozen_steps", default: frozenSteps, in: .nonNegative, help: "steps in which only the head is trained")
        catchUpSteps = try section.int(
            "catch_up_steps", default: catchUpSteps, in: .nonNegative,
            help: "steps over which the learning rate of the backbone then rises")
        learningRateRatio = try section.double(
            "learning_rate_ratio", default: learningRateRatio, in: .positive,
            help: "learning rate of the backbone after these steps, relative to that of the head")
        cache = try section.choice(
            "cache", of: Cache.self, default: cache,
            help: "keep the outputs of a fixed backbone in memory, up to `cache_limit`")
        cacheLimit = try section.int(
            "cache_limit", default: cacheLimit, in: 0...(1 << 30), help: "memory for the cache on each rank, in MiB")
    }

    /// Number of steps of a run in which the backbone is frozen.
    package func frozenSteps(of steps: Int) -> Int {
        switch mode {
        case .fixed: steps
        case .scratch: 0
        case .fineTuned: min(frozenSteps, steps)
        }
    }

    /// True if encodings are cached, which requires that they are the same in every epoch.
    package var keepsEncodings: Bool { mode == .fixed && cache == .auto }

    /// Ratio of the backbone's learning rate to that of the head, at a step counted from 0; 0 while it is frozen.
    package func factor(step: Int) -> Double {
        switch mode {
        case .fixed: 0
        case .scratch: 1
        case .fineTuned:
            step < frozenSteps
                ? 0 : learningRateRatio * min(1, Double(step - frozenSteps + 1) / Double(max(1, catchUpSteps)))
        }
    }

    /// True if the backbone is not trained in a phase.
    package func isFrozen(in phase: Phase) -> Bool {
        switch phase {
        case .training(let step): factor(step: step) == 0
        case .validation: true
        }
    }
}
