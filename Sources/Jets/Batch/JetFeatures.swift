import Configuration

/// The features of constituents that a model takes: the continuous ones in the order of its input columns, and the
/// identity classes.
package struct JetFeatures: Sendable, Equatable {
    /// The features as stored: pT [GeV], Δη, Δφ, d0 [mm], σ(d0) [mm], dz [mm], σ(dz) [mm].
    package static let allNames = ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
    /// The stored features that only charged constituents have.
    package static let impactParameters = 3..<7
    /// All seven features.
    package static let all = JetFeatures(indices: Array(allNames.indices))

    /// The stored feature of each column: those of `allNames`, then those of `ownNames`.
    package let indices: [Int]
    /// Further features that the files have, by the names in their attribute `names`.
    package let ownNames: [String]
    /// The identity classes.
    package internal(set) var identities = Identities.particles
    /// The names of the stored features, in the order of the columns of a `JetBlock`.
    package var storedNames: [String] { Self.allNames + ownNames }
    /// The number of stored features.
    package var storedCount: Int { Self.allNames.count + ownNames.count }
    /// The names of the columns.
    package var names: [String] { indices.map { storedNames[$0] } }
    /// The number of columns.
    package var count: Int { indices.count }
    /// The columns of pT, η and φ: of the angles to the axis of a jet, or else of those of an event. Nil if one of them
    /// is not selected.
    package var momentumColumns: [Int]? {
        let columns = [["pt", "deta", "dphi"], ["pt", "eta", "phi"]].map { $0.compactMap(names.firstIndex) }
        return columns.first { $0.count == 3 }
    }
    /// True for whole events: their angles are those of the detector, or their identities are kinds of objects.
    package var areOfEvents: Bool {
        let angles = ["eta", "phi", "deta", "dphi"].filter(names.contains)
        return angles.first.map { $0 == "eta" || $0 == "phi" } == true && !angles.contains("deta")
            && !angles.contains("dphi") || identities != .particles
    }
    /// The columns of impact parameters.
    var impactParameterColumns: [Int] {
        indices.indices.filter { Self.impactParameters.contains(indices[$0]) }
    }

    private init(indices: [Int], ownNames: [String] = []) {
        self.indices = indices
        self.ownNames = ownNames
    }

    /// All that is stored of some features: the seven and the own ones of these.
    package init(storing features: JetFeatures) { self.init(own: features.ownNames, features.identities) }

    /// All seven features and further ones.
    init(own names: [String], _ identities: Identities = .particles) {
        self.init(indices: Array(0..<Self.allNames.count + names.count), ownNames: names)
        self.identities = identities
    }

    /// The named features in the order given; `["all"]` for all seven. Names other than those of the seven are of
    /// features that the files have. Throws `JetError` at an empty or repeated name.
    package init(_ names: [String], _ identities: Identities = .particles) throws {
        self.identities = identities
        if names == ["all"] {
            (indices, ownNames) = (Self.all.indices, [])
            return
        }
        var (indices, own): ([Int], [String]) = ([], [])
        for (position, name) in names.enumerated() {
            guard !name.isEmpty, name != "all" else {
                throw JetError("a feature is named '\(name)'; give names of features, or 'all' alone")
            }
            guard !names[..<position].contains(name) else { throw JetError("feature '\(name)' is named twice") }
            if let index = Self.allNames.firstIndex(of: name) {
                indices.append(index)
            } else {
                indices.append(Self.allNames.count + own.count)
                own.append(name)
            }
        }
        guard !indices.isEmpty else { throw JetError("no feature is named; give a list, or 'all'") }
        (self.indices, ownNames) = (indices, own)
    }

    /// Decodes the keys `features`, `all` or a list of names, and `identities`. Throws `ConfigurationError`.
    package init(from section: Section, default: JetFeatures = .all) throws {
        let key = "features"
        let names = try section.strings(
            key, default: `default`.indices == Self.all.indices ? ["all"] : `default`.names, .inherited,
            help: "features of a constituent: `all`, or a list of `pt`, `deta`, `dphi`, `d0`, `d0err`, `dz`, `dzerr` "
                + "and of [further features](data.md#other-features) of the files")
        let identities = try Identities(from: section, default: `default`.identities)
        do {
            try self.init(names, identities)
        } catch let error as JetError {
            throw section.error(key, error.description)
        }
    }
}
