import Jets
import MPI
import Objectives
import Runs
import System

/// The jets of a run: those of `data.train`, of `data.validation`, and of `data.test` for the evaluation at its end.
package struct RunData {
    package let train: JetDataset
    /// Nil without validation files.
    package let validation: JetDataset?
    /// Nil if the run does not end with an evaluation.
    package let test: JetDataset?
    /// The classes that the objective learns; nil if it learns none.
    package let classes: JetClasses?
    /// Sentences for the start-up report: jets that the configuration leaves out.
    package let remarks: [String]
    /// Warnings: jets that are left out without a choice, and classes without jets.
    package let warnings: [String]

    /// The largest number of training labels that a rank reads at the start to check them.
    private static let labelsPerRank = 10_000_000

    /// Opens the files and checks their classes; collective. Throws `AgreedError` if they cannot be used.
    package init(_ options: RunOptions, on communicator: Communicator) throws {
        let train = try JetDataset(
            paths: options.data.train, reading: options.reading, choice: options.choice, on: communicator)
        let classes =
            options.objective.needsClasses
            ? try communicator.agree { try JetClasses(options.choice, in: train) } : nil
        try communicator.agree {
            guard options.objective.needsSeveralClasses, let classes, classes.count < 2 else { return }
            let source = options.choice.classes == nil ? "\(train.paths[0]) names" : "data.classes names"
            throw KaonError(
                "\(options.objective.name.rawValue) needs jets of at least two classes, but \(source) only "
                    + classes.names.joined(separator: ", "))
        }
        var (remarks, warnings): ([String], [String]) = ([], [])
        if let remark = train.remarkOnFilesWithoutMPI { remarks.append("data.train: \(remark)") }
        if let classes, train.count <= Self.labelsPerRank * communicator.size {
            // Weak supervision without signal jets is a test of its own.
            let missing = try train.missing(classes.names).filter { options.choice.counts[$0] != 0 }
            try communicator.agree {
                guard options.objective.needsSeveralClasses, classes.count - missing.count < 2 else { return }
                let others = classes.names.filter { !missing.contains($0) }.joined(separator: ", ")
                throw KaonError(
                    "\(options.objective.name.rawValue) needs jets of at least two classes, but data.train has only "
                        + "jets of \(others)")
            }
            if let warning = AppliedJets.warning(aboutMissing: missing, in: "data.train") { warnings.append(warning) }
        }
        func open(_ paths: [String], _ key: String, jets: Int? = nil, chosen: Int? = nil) throws -> JetDataset? {
            guard !paths.isEmpty else { return nil }
            var targets = AppliedJets.Targets(options, classes)
            targets.chosenJets = chosen
            let jets = try AppliedJets(paths, key: key, jets: jets, targets, options, on: communicator)
            remarks += jets.remarks
            warnings += jets.warnings
            return jets.dataset
        }
        validation = try open(
            options.data.validation, "data.validation", jets: options.training.validationJets,
            chosen: options.data.validationJets)
        test = try open(options.run.evaluated == .never ? [] : options.data.test, "data.test")
        // Found at the start rather than after the last step.
        if let test { _ = try communicator.onRoot { try JetSpectators(options.evaluate.spectators, of: test) } }
        if let warning = train.warning(aboutRepeatsIn: "data.train") { warnings.append(warning) }
        for (key, dataset) in [("data.validation", validation), ("data.test", test)] {
            if let warning = dataset?.warning(aboutTrainingFiles: train.paths, in: key) { warnings.append(warning) }
        }
        if options.training.batchSize > train.count {
            warnings.append(
                "training.batch_size is \(options.training.batchSize), but data.train has only "
                    + "\(plural(train.count, "jet")), all of which are in every step")
        }
        if validation == nil, options.training.earlyStoppingPatience != nil {
            warnings.append(
                "training.early_stopping_patience has no effect without validation jets: give data.validation, or "
                    + "leave the key out")
        }
        let opened = [train, validation, test].compactMap { $0 }
        if !options.data.classNames.isEmpty, !opened.contains(where: \.hasUnnamedClasses) {
            warnings.append("data.class_names has no effect: all files name their classes")
        }
        (self.train, self.classes, self.remarks, self.warnings) = (train, classes, remarks, warnings)
    }
}

/// Jets to which a model is applied without training it: those of a validation or a test.
package struct AppliedJets {
    /// Predictions of a model that are compared with the truth in the files.
    package struct Targets {
        /// Nil if no classes are predicted.
        var classes: JetClasses?
        var constituentLabels: [String] = []
        var quantities: [JetQuantity] = []
        /// Maximum number of jets, chosen evenly from the classes; nil for all.
        var chosenJets: Int?

        /// No predictions: the truth is not read.
        package init() {}

        /// The targets of a configuration.
        package init(_ options: RunOptions, _ classes: JetClasses?) {
            self.classes = classes
            (constituentLabels, quantities) = (options.objective.constituentLabels, options.objective.quantities)
        }
    }

    package let dataset: JetDataset
    /// Sentences about jets that the configuration leaves out.
    package let remarks: [String]
    /// Warnings: jets that are left out without a choice, and classes without jets.
    package let warnings: [String]

    /// Opens files; collective. Jets of classes that the model does not know are left out. Throws `AgreedError` if the
    /// files cannot be used or lack a class of the model.
    ///
    /// - Parameters:
    ///   - key: the key of the paths, for messages.
    ///   - jets: maximum number of jets; nil for all.
    package init(
        _ paths: [String], key: String, jets: Int? = nil, _ targets: Targets, _ options: RunOptions,
        on communicator: Communicator
    ) throws {
        var choice = options.choice.classesOnly
        if let chosen = targets.chosenJets {
            (choice.jets, choice.seed, choice.acceptsFewer) = (chosen, options.seed, true)
            choice.jetsKey = "data.validation_jets"
        }
        if let classes = targets.classes {
            try communicator.agree { try Self.check(choice, classes) }
            choice.classes = choice.classes ?? classes.names
            for name in classes.names { choice.keys[name] = key }
            choice.advice = "; the model has the classes \(classes.names.joined(separator: ", "))"
            choice.omitsTrivialSelection = true
        }
        var reading = options.reading
        (reading.constituentLabels, reading.quantities) = (targets.constituentLabels, targets.quantities)
        var dataset = try JetDataset(paths: paths, reading: reading, jets: jets, choice: choice, on: communicator)
        var (remarks, warnings): ([String], [String]) = ([], [])
        if dataset.otherJets > 0 {
            let others = dataset.classNames.filter { choice.classes?.contains($0) == false }
            let sentence =
                "\(key): \(plural(dataset.otherJets, "jet")) of other classes (\(others.joined(separator: ", "))) "
                + "\(dataset.otherJets == 1 ? "is" : "are") left out"
            if options.choice.classes == nil { warnings.append(sentence) } else { remarks.append(sentence) }
        }
        if targets.classes != nil {
            var missing = try dataset.missing(choice.classes!)
            if let jets, choice.jets == nil, !missing.isEmpty, dataset.layout.count >= jets {
                // Files of one class each: the first jets are not those of all classes.
                choice.jets = jets
                choice.acceptsFewer = true
                dataset = try JetDataset(paths: paths, reading: reading, choice: choice, on: communicator)
                missing = try dataset.missing(choice.classes!)
                warnings.append(
                    "the first \(jets) jets of \(key) are not of all classes: \(dataset.count) are chosen evenly from "
                        + "the classes instead")
            }
            if let warning = Self.warning(aboutMissing: missing, in: key) { warnings.append(warning) }
        }
        if let warning = dataset.warning(aboutRepeatsIn: key) { warnings.append(warning) }
        if let remark = dataset.remarkOnFilesWithoutMPI { remarks.append("\(key): \(remark)") }
        (self.dataset, self.remarks, self.warnings) = (dataset, remarks, warnings)
    }

    /// Prints the sentences and warnings.
    package func report(on console: Console) {
        remarks.forEach { console.say($0) }
        warnings.forEach(console.warn)
    }

    /// The warning about classes without jets; nil if there are none.
    static func warning(aboutMissing classes: [String], in key: String) -> String? {
        guard !classes.isEmpty else { return nil }
        return "\(key): there are no jets of the \(classes.count == 1 ? "class" : "classes") "
            + classes.joined(separator: ", ")
    }

    /// Throws `KaonError` if a class is chosen that the model does not know.
    private static func check(_ choice: JetChoice, _ classes: JetClasses) throws {
        guard let name = choice.classes?.first(where: { !classes.names.contains($0) }) else { return }
        throw KaonError(
            "data.classes: the model has no class '\(name)'; it has \(classes.names.joined(separator: ", "))")
    }

    /// Opens the files of `data.test`; collective. Throws `AgreedError` if there are none or they cannot be used.
    package init(
        testing options: RunOptions, jets: Int? = nil, _ targets: Targets = Targets(), on communicator: Communicator
    ) throws {
        try communicator.agree {
            guard !options.data.test.isEmpty else {
                throw KaonError("no test data are given; add 'data.test=[test.h5]'")
            }
        }
        try self.init(
            options.data.test, key: "data.test", jets: jets, targets, options, on: communicator)
    }
}

extension JetDataset {
    /// The classes without a jet in use; collective. Throws as `classCounts`.
    func missing(_ classes: [String]) throws -> [String] {
        let counts = try classCounts()
        return classes.filter { counts[classNames.firstIndex(of: $0)!] == 0 }
    }

    /// The warning about a file that the paths name more than once, under whatever names; nil without one, and on all
    /// ranks but 0, which would resolve the same thousand paths.
    func warning(aboutRepeatsIn key: String) -> String? {
        guard communicator.rank == 0 else { return nil }
        var names: [String: String] = [:]
        for path in paths {
            guard let first = names.updateValue(path, forKey: realPath(path)) else { continue }
            let other = first == path ? "" : ", also as \(first)"
            return "\(key) names \(path) more than once\(other): its jets are read as often"
        }
        return nil
    }

    /// The warning about a file that is one of the training files; nil without one, and on all ranks but 0.
    func warning(aboutTrainingFiles others: [String], in key: String) -> String? {
        guard communicator.rank == 0 else { return nil }
        let known = Set(others.map(realPath))
        guard let path = paths.first(where: { known.contains(realPath($0)) }) else { return nil }
        return "\(key) and data.train both have \(path): its results are not those of new jets"
    }
}

extension RunOptions {
    /// The selection of data that is read of every jet.
    package var reading: JetReading {
        var reading = JetReading(
            maxConstituents: data.maxConstituents, constituentLabels: objective.constituentLabels,
            quantities: objective.quantities, classNames: data.classNames, allowsEmptyJets: data.allowsEmptyJets)
        reading.features = data.features
        return reading
    }
}
