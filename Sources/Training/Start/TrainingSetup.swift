import Distributed
import HDF5
import Jets
import MPI
import Objectives
import Runs
import Supervision
import System
import Tensors

/// Data, model and arithmetic of a run as its configuration defines them; training and dry runs begin with it.
package struct TrainingSetup {
    /// The options of the run, with the micro-batches that were chosen for the data.
    package let options: RunOptions
    package let data: RunData
    /// The classes that the objective learns; nil if it learns none.
    package var classes: JetClasses? { data.classes }
    /// The model, with initial weights.
    package let objective: any Objective
    /// Its parameters on all ranks.
    package let parameters: DistributedParameters
    package let sharding: Sharding
    /// Threads of this rank.
    package let threads: Int
    /// Precision of the matrix products.
    package let precision: Precision

    /// Starts the threads and builds the model; collective. Throws `AgreedError`.
    package init(
        _ options: RunOptions, _ data: RunData, _ sharding: Sharding, in context: RunContext
    ) throws {
        let communicator = context.communicator
        (self.data, self.sharding) = (data, sharding)
        threads = try ComputeThreads.start(options.threads, on: communicator)
        precision = try options.parallel.precision.precision(on: communicator, console: context.console)
        var options = options
        try options.chooseMicroBatchSize(
            constituents: data.train.meanConstituents(), precision: precision, threads: threads, on: communicator)
        self.options = options
        objective = options.makeObjective(classes: data.classes)
        parameters = try DistributedParameters(
            objective.parameters, largestGroup: options.parallel.ranksPerGroup, precision: precision,
            whole: options.optimizer.wholeParameters(of: objective.parameters), on: communicator,
            warn: context.console.warn)
    }

    /// Jets of the largest batch of an epoch.
    package var jetsPerStep: Int { min(options.training.batchSize, data.train.count) }

    /// The jets that a rank reads: the shards of a deterministic run keep theirs, other jets are divided after reading.
    package var portion: JetLoader.Portion { sharding.isDeterministic ? .share : .blocks }

    /// A loader of batches of the configured size.
    package func loader(
        _ dataset: JetDataset, _ preprocessing: any Preprocessing, shuffle: Bool
    ) -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: shuffle),
            portion: portion,
            contents: .init(
                momenta: objective.needsMomenta,
                noiseEpoch: options.objective.fineTuning?.keepsEncodings == true ? 0 : nil,
                classOfLabel: classes?.indices(in: dataset)))
    }

    /// The preprocessing of the checkpoint that the run builds on, whose backbone state the objective takes over; nil
    /// if the run fits its own, also because that model was imported without one. Collective.
    package func adoptPretrained(in context: RunContext) throws -> (any Preprocessing)? {
        guard let source = options.backbone ?? options.tokenizer else { return nil }
        let known = try context.communicator.agree {
            let known = try ModelFile.state(of: source)
            if options.backbone != nil { try objective.adopt(backbone: known.objective) }
            return known.preprocessing
        }
        if known == nil { context.console.warn(ModelState.warning(source, "the training jets of this run")) }
        return known
    }

    /// Prints the start-up report: ranks and threads, libraries, model, data, warnings. Collective.
    package func report(in context: RunContext) throws {
        let (communicator, console) = (context.communicator, context.console)
        let (train, validation) = (data.train, data.validation)
        let test = data.test.map { ", \($0.count) test jets" } ?? ""
        let hosts = Set(try communicator.allGather(MPIEnvironment.processorName)).sorted()
        let terms = objective.terms.filter { $0.weight > 0 }.map { "\($0.weight) × \($0.name)" }
        console.say(
            """
            kaon \(kaonVersion): \(plural(communicator.size, "rank")) × \(plural(threads, "thread")), \
            products in \(precision.name), on \(hosts.count == 1 ? hosts[0] : "\(hosts.count) hosts (\(hosts[0]), …)")\
            \(communicator.size > 1 ? "; " + parameters.ranks.description : "")
            libraries: \(MPIEnvironment.libraryVersion) (threads: \(MPIEnvironment.threadLevel)), \
            HDF5 \(HDF5Library.version), OpenBLAS \(BLAS.version) for \(BLAS.coreName)
            model: \(options.objective.name.rawValue), \(objective.parameters.count) parameters; \
            terms: \(terms.joined(separator: ", "))
            data: \(train.count) training jets in \(plural(train.paths.count, "file")), \
            \(validation?.count ?? 0) validation jets\(test); \(classes?.count ?? train.classNames.count) classes
            run: \(options.run.directory), \(options.training.steps) steps of \(jetsPerStep) jets
            """)
        if let line = fineTuningLine { console.say(line) }
        var warnings = RankPlacement.warnings(
            try RankPlacement.all(threads: threads, group: parameters.ranks.index, on: communicator))
        if let warning = parameters.ranks.warning { warnings.append(warning) }
        if let warning = EnvironmentWarnings.kernels(BLAS.coreName, better: BLAS.betterCore) {
            warnings.append(warning)
        }
        if communicator.rank == 0, let warning = EnvironmentWarnings.locks(of: options.run.directory) {
            warnings.append(warning)
        }
        for (dataset, name) in [(validation, "validation"), (data.test, "test")] {
            guard classes == nil, let dataset, dataset.classNames != train.classNames else { continue }
            warnings.append(
                "the \(name) files have the classes \(dataset.classNames.joined(separator: ", ")), "
                    + "the training files \(train.classNames.joined(separator: ", "))")
        }
        data.remarks.forEach { console.say($0) }
        if let tuning = options.objective.fineTuning, tuning.isDefaultMode {
            warnings.append(
                "backbone_mode is not given: the backbone is \(tuning.mode.rawValue); set backbone_mode to fixed, "
                    + "fine_tuned or scratch")
        }
        if let tuning = options.objective.fineTuning, tuning.mode == .fineTuned,
            tuning.frozenSteps >= options.training.steps
        {
            warnings.append(
                "the backbone is never trained: fine_tuning.frozen_steps is \(tuning.frozenSteps), training.steps "
                    + "\(options.training.steps); lower the first, or set backbone_mode=fixed")
        }
        let steps = options.training.steps
        let highest =
            stride(from: 0, through: steps - 1, by: max(1, (steps - 1) / 1000)).map {
                options.schedule.factor(step: $0)
            }.max() ?? 1
        if highest < 0.5 {
            warnings.append(
                "the learning rate reaches only \(rounded(100 * highest, digits: 2)) % of optimizer.learning_rate in "
                    + "\(plural(steps, "step")): lower schedule.warmup_steps")
        }
        warnings += data.warnings
        warnings.forEach(console.warn)
    }

    /// The fine-tuning in a line: backbone, mode, frozen steps, and numbers of parameters; nil for a pre-training.
    private var fineTuningLine: String? {
        guard let tuning = options.objective.fineTuning else { return nil }
        let parameters = objective.parameters
        let backbone = parameters.groups.filter { $0.name == DownstreamBackbone.group }
            .reduce(0) { $0 + parameters.parameters[$1.parameters].reduce(0) { $0 + $1.range.count } }
        let steps = options.training.steps
        let frozen = tuning.frozenSteps(of: steps)
        let isNeverTrained = frozen == steps && tuning.mode != .scratch
        let source =
            switch (options.backbone, tuning.mode) {
            case (let path?, .scratch): "random initial weights, with shape and preprocessing of \(path)"
            case (nil, _): "random initial weights"
            case (let path?, _): path
            }
        return
            "fine-tuning: backbone \(source); backbone_mode \(tuning.mode.rawValue), "
            + "frozen for \(frozen) of \(steps) steps; "
            + "\(isNeverTrained ? parameters.count - backbone : parameters.count) parameters are trained, "
            + "\(isNeverTrained ? backbone : 0) stay frozen"
    }
}
