import Configuration
import HDF5

/// The identity classes of constituents, by number: kinds of particles, or of the objects of an event.
package struct Identities: Sendable, Equatable {
    /// The largest number of classes.
    package static let most = 64
    /// The classes of the particles of a jet, and of files that do not name others.
    package static let particles = Identities(named: [
        "photon", "negative hadron", "neutral hadron", "positive hadron", "electron", "positron", "muon",
        "antimuon",
    ])
    /// Names of classes with tracks; others begin with `charged`.
    private static let charged: Set = [
        "negative hadron", "positive hadron", "electron", "positron", "muon", "antimuon",
    ]

    package let names: [String]
    /// The number of classes.
    package var count: Int { names.count }
    /// Bit i is set if class i leaves no track.
    private let neutral: UInt64

    private init(named names: [String]) {
        self.names = names
        neutral = names.enumerated().reduce(0) { bits, entry in
            let hasTrack = Self.charged.contains(entry.element) || entry.element.hasPrefix("charged")
            return hasTrack ? bits : bits | 1 << UInt64(entry.offset)
        }
    }

    /// The classes of these names. Throws `JetError` unless there are 1 to 64 different ones.
    package init(_ names: [String]) throws {
        guard 1...Self.most ~= names.count else {
            throw JetError("\(names.count) identities are named; give from 1 to \(Self.most) names")
        }
        for (number, name) in names.enumerated() {
            guard !name.isEmpty else { throw JetError("the name of identity \(number) is empty") }
            guard !names[..<number].contains(name) else { throw JetError("identity '\(name)' is named twice") }
        }
        self.init(named: names)
    }

    /// Decodes the key `identities`. Throws `ConfigurationError`.
    package init(from section: Section, default: Identities = .particles) throws {
        let (key, word) = ("identities", "particles")
        let help =
            "names of the [identities](data.md#events) of constituents, in the order of their numbers in the files; "
            + "`particles`: the eight of jets"
        let names = try section.strings(
            key, default: `default` == .particles ? [word] : `default`.names, .inherited, help: help)
        if names == [word] {
            self = .particles
            return
        }
        do {
            try self.init(names)
        } catch let error as JetError {
            throw section.error(key, error.description)
        }
    }

    /// The classes of a dataset of identities: those of its attribute `names`, or else the wanted ones.
    ///
    /// Throws `HDF5Error`, or `JetError` if the names are not the wanted ones. Files may lack the last of them and,
    /// without `data.identities`, call the eight particles by other names.
    ///
    /// - Parameters:
    ///   - path: the path of the file, for messages.
    ///   - wanted: the classes of the model; nil for those of the file.
    init(_ dataset: borrowing Dataset, path: String, wanted: Identities?) throws {
        guard dataset.hasAttribute("names") else {
            self = wanted ?? .particles
            return
        }
        let names = try dataset.stringsAttribute("names")
        guard let wanted else {
            do { try self.init(names) } catch let error as JetError {
                throw JetError("\(dataset.path) in \(path): \(error): correct its attribute 'names'")
            }
            return
        }
        guard wanted.names.starts(with: names) || wanted == .particles && names.count == wanted.count else {
            let more = names.count > wanted.count ? ", more than the model has" : ""
            throw JetError(
                "\(path) has the \(names.count) identities \(names.joined(separator: ", "))\(more), not the "
                    + "\(wanted.count) of data.identities (\(wanted.names.joined(separator: ", "))): set "
                    + "data.identities=[\(names.joined(separator: ","))] for a new model, or write the file with those "
                    + "of the model")
        }
        self = wanted
    }

    /// True if constituents of this class leave no track, as photons and neutral hadrons do.
    @inline(__always)
    package func isNeutral(_ identity: UInt8) -> Bool { neutral >> UInt64(identity) & 1 == 1 }
}
