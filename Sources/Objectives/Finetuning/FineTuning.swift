import Configuration

/// How a downstream task uses its backbone: `backbone_mode` and the section `fine_tuning`.
package struct FineTuning: Sendable, Equatable {
    package enum Mode: String, CaseIterable, Sendable {
        /// As it was pre-trained; the head alone learns.
        case fixed
        /// Both learn; the backbone rests at first, then catches up.
        case fineTuned = "fine_tuned"
        /// Fresh weights, which learn like the head.
        case scratch
    }

    /// `fine_tuning.cache`: whether the encodings of a fixed backbone are kept in memory.
    package enum Cache: String, CaseIterable, Sendable {
        /// As many as fit. The noise of a jet is then that of epoch 0 in every epoch, kept or not.
        case auto
        /// Every jet is encoded in every epoch, with new noise.
        case never
    }

    package var mode = Mode.fineTuned
    /// Steps at which the head learns alone.
    package var frozenSteps = 5000
    /// Steps over which the backbone's learning rate then rises to that of the head.
    package var catchUpSteps = 5000
    package var cache = Cache.auto
    /// What the encodings may take of the memory of each rank [MiB].
    package var cacheLimit = 1024

    package init() {}

    /// Decodes the keys from the root of a configuration. Throws `ConfigurationError`.
    package init(from root: Section) throws {
        let hasBackbone = root.has("backbone") && !root.isNull("backbone")
        mode = try root.choice("backbone_mode", of: Mode.self, default: hasBackbone ? .fineTuned : .scratch)
        guard hasBackbone || mode == .scratch else {
            throw root.error(
                "backbone", "backbone_mode is \(mode.rawValue), but there is no backbone; name the checkpoint of a "
                    + "pre-training, or set backbone_mode=scratch")
        }
        let section = try root.section("fine_tuning")
        frozenSteps = try section.int("frozen_steps", default: frozenSteps, in: .nonNegative)
        catchUpSteps = try section.int("catch_up_steps", default: catchUpSteps, in: .nonNegative)
        cache = try section.choice("cache", of: Cache.self, default: cache)
        cacheLimit = try section.int("cache_limit", default: cacheLimit, in: 0...(1 << 30))
    }

    /// Whether a jet's encoding is the same in every epoch, so that it may be kept.
    package var keepsEncodings: Bool { mode == .fixed && cache == .auto }

    /// What the backbone's learning rate is of that of the head, at a step counted from 0; 0 while it rests.
    package func factor(step: Int) -> Double {
        switch mode {
        case .fixed: 0
        case .scratch: 1
        case .fineTuned:
            step < frozenSteps ? 0 : min(1, Double(step - frozenSteps + 1) / Double(max(1, catchUpSteps)))
        }
    }

    /// Whether the backbone rests in a phase.
    package func isFrozen(in phase: Phase) -> Bool {
        switch phase {
        case .training(let step): factor(step: step) == 0
        case .validation: true
        }
    }
}
