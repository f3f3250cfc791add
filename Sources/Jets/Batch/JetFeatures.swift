import Configuration

/// The continuous features of constituents that a model takes, in the order of its input columns.
package struct JetFeatures: Sendable, Equatable {
    /// The features as stored: pT [GeV], Δη, Δφ, d0 [mm], σ(d0) [mm], dz [mm], σ(dz) [mm].
    package static let allNames = ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
    /// The identity classes of constituents, by number.
    package static let identityNames = [
        "photon", "negative hadron", "neutral hadron", "positive hadron", "electron", "positron", "muon",
        "antimuon",
    ]
    /// The stored features that only charged constituents have.
    package static let impactParameters = 3..<7
    /// All seven features.
    package static let all = JetFeatures(indices: Array(allNames.indices))

    /// The stored feature of each column.
    package let indices: [Int]
    /// The names of the columns.
    package var names: [String] { indices.map { Self.allNames[$0] } }
    /// The number of columns.
    package var count: Int { indices.count }
    /// The columns of impact parameters.
    var impactParameterColumns: [Int] {
        indices.indices.filter { Self.impactParameters.contains(indices[$0]) }
    }

    private init(indices: [Int]) {
        self.indices = indices
    }

    /// The named features in the order given; `["all"]` for all seven. Throws `JetError` at an unknown or repeated
    /// name.
    package init(_ names: [String]) throws {
        if names == ["all"] {
            self = .all
            return
        }
        var indices: [Int] = []
        for name in names {
            guard let index = Self.allNames.firstIndex(of: name) else {
                throw JetError(
                    "unknown feature '\(name)'; the features are "
                        + "\(Self.allNames.joined(separator: ", ")), or 'all'")
            }
            guard !indices.contains(index) else { throw JetError("feature '\(name)' is named twice") }
            indices.append(index)
        }
        guard !indices.isEmpty else { throw JetError("no feature is named; give a list, or 'all'") }
        self.indices = indices
    }

    /// Decodes the key `features`: `all` or a list of names. Throws `ConfigurationError`.
    package init(from section: Section, default: JetFeatures = .all) throws {
        let key = "features"
        let names = try section.strings(
            key, default: `default` == .all ? ["all"] : `default`.names, .inherited,
            help: "features of a constituent: `all`, or a list of `pt`, `deta`, `dphi`, `d0`, `d0err`, `dz`, `dzerr`")
        do {
            try self.init(names)
        } catch let error as JetError {
            throw section.error(key, error.description)
        }
    }

    /// True if constituents of this identity class leave no track: photons and neutral hadrons.
    @inline(__always)
    package static func isNeutral(_ identity: UInt8) -> Bool { identity == 0 || identity == 2 }
}
