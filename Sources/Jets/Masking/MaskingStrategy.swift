import Configuration

/// The section `masking` of a configuration: the choice of the constituents to drop.
package enum MaskingStrategy: Sendable, Equatable {
    /// A fraction of the constituents.
    case random(fraction: Double)
    /// Random constituents that carry at most a fraction of the pT.
    case momentum(fraction: Double)
    /// A fraction of the constituents that is drawn for each jet from a range.
    case uniform(ClosedRange<Double>)
    /// A constituent and its nearest neighbours, in total a fraction of the constituents.
    case nearest(fraction: Double)
    /// A constituent and all others within a radius.
    case radius(Double)

    /// The values of the key `strategy`.
    package enum Name: String, CaseIterable, Sendable {
        case random
        case momentum = "pt_fraction"
        case uniform, nearest, radius
    }

    /// Decodes `strategy` and the keys that belong to it. Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - usual: the default of `strategy`.
    ///   - standard: the default of `fraction`.
    package init(
        from section: Section, strategy usual: Name = .random, fraction standard: Double = 0.4
    ) throws {
        let name = try section.choice(
            "strategy", of: Name.self, default: usual,
            help: "how the masked constituents are chosen: at random, at random up to a fraction of the pT, at "
                + "random with a fraction drawn for each jet, one constituent and its nearest neighbours, or all "
                + "within a radius of one")
        func fraction() throws -> Double {
            try section.double(
                "fraction", default: standard, in: .zeroToOne,
                help: "fraction of the constituents, or of the pT, that is masked")
        }
        switch name {
        case .random: self = .random(fraction: try fraction())
        case .momentum: self = .momentum(fraction: try fraction())
        case .nearest: self = .nearest(fraction: try fraction())
        case .radius:
            self = .radius(
                try section.double(
                    "radius", default: 0.2, in: .positive,
                    help: "radius of the masked region in the plane of Δη and Δφ"))
        case .uniform:
            let range = try section.doubles(
                "range", default: [0.2, 1], in: .zeroToOne, help: "smallest and largest fraction")
            guard range.count == 2, range[0] <= range[1] else {
                throw section.error(
                    "range", "expected the lowest and the highest fraction, such as [0.2, 1.0]")
            }
            self = .uniform(range[0]...range[1])
        }
    }

    /// The key that determines how many constituents are masked.
    package var key: String {
        switch self {
        case .random, .momentum, .nearest: "masking.fraction"
        case .uniform: "masking.range"
        case .radius: "masking.radius"
        }
    }

    /// The implementation of the strategy.
    package var masking: any Masking {
        switch self {
        case .random(let fraction): RandomMasking(fraction: fraction)
        case .momentum(let fraction): MomentumMasking(fraction: fraction)
        case .uniform(let range): UniformMasking(range: range)
        case .nearest(let fraction): NearestMasking(fraction: fraction)
        case .radius(let radius): RadiusMasking(radius: radius)
        }
    }
}
