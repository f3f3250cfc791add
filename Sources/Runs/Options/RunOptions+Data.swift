import Configuration
import Jets

extension RunOptions {
    /// `data`: files, folders or patterns with `*`, and the parts of them that are read.
    package struct Data: Sendable {
        package var train: [String]
        package var validation: [String]
        package var test: [String]
        package var features: JetFeatures
        package var maxConstituents: Int
        /// Names of the classes by label in files that do not name them; empty if none are given.
        package var classNames: [String]
        /// True to accept jets without constituents.
        package var allowsEmptyJets: Bool
        /// Selection of the training jets. For the other files, only its classes apply.
        package var choice: JetChoice
        /// Maximum number of validation jets, chosen like the training jets; nil for all.
        package var validationJets: Int?
        package var shuffle: Bool
    }
}

extension RunOptions.Data {
    package init(from section: Section, seed: UInt64, pretrained: RunOptions.Data?) throws {
        train = try section.paths("train", help: "HDF5 files of jets, folders of them, or patterns with `*`")
        guard !train.isEmpty else { throw section.error("train", "no training file is given") }
        validation = try section.paths("validation", default: [], help: "the same for validation")
        test = try section.paths(
            "test", default: [],
            help: "the same for `kaon evaluate`, `kaon encode` and `kaon generate --reconstruct`")
        features = try JetFeatures(from: section, default: pretrained?.features ?? .all)
        if let wanted = pretrained?.features.identities, wanted != features.identities {
            throw section.error(
                "identities",
                "the checkpoint that this run builds on was trained on \(wanted.names.joined(separator: ", ")); leave "
                    + "the key out")
        }
        if let pretrained, pretrained.features != features {
            let names = pretrained.features.names.joined(separator: ", ")
            throw section.error(
                "features", "the checkpoint that this run builds on was trained on \(names); leave the key out")
        }
        maxConstituents = try section.int(
            "max_constituents", default: pretrained?.maxConstituents ?? 128, in: 1...JetFileRules.maxConstituents,
            .inherited, help: "maximum number of constituents of a jet; those with the lowest pT are dropped")
        classNames =
            try section.optionalStrings(
                "class_names", help: "names of the classes, in the order of their labels, for files without them") ?? []
        for (label, name) in classNames.enumerated() {
            guard !name.isEmpty else { throw section.error("class_names", "the name of class \(label) is empty") }
            if classNames[..<label].contains(name) {
                throw section.error("class_names", "the class '\(name)' is named twice")
            }
        }
        allowsEmptyJets = try section.bool(
            "allow_empty_jets", default: false, .advanced,
            help: "accept jets without constituents, which are errors otherwise: usually, their data were lost")
        choice = try JetChoice(from: section, seed: seed)
        validationJets = try section.optionalInt(
            "validation_jets", in: .positive, absent: "all",
            help: "maximum number of validation jets, balanced over the classes; the same jets for the same seed")
        shuffle = try section.bool("shuffle", default: true, help: "shuffle the training jets")
    }
}
