import Foundation
import HDF5
import Jets
import MPI
import Objectives
import Runs
import Supervision
import System
import Tensors

/// Tells what starts: ranks and threads, libraries, model, data.
package func reportStart(
    _ options: RunOptions, _ objective: any Objective, _ train: JetDataset, _ validation: JetDataset?,
    threads: Int, precision: Precision,
    on communicator: Communicator, console: Console
) throws {
    let hosts = Set(try communicator.allGather(MPIEnvironment.processorName)).sorted()
    console.say(
        """
        kaon \(kaonVersion): \(plural(communicator.size, "rank")) × \(plural(threads, "thread")), \
        products in \(precision.name), on \(hosts.count == 1 ? hosts[0] : "\(hosts.count) hosts (\(hosts[0]), …)")
        libraries: \(MPIEnvironment.libraryVersion) (threads: \(MPIEnvironment.threadLevel)), \
        HDF5 \(HDF5Library.version), OpenBLAS for \(BLAS.coreName)
        model: \(options.objective.name.rawValue), \(objective.parameters.count) parameters; \
        terms: \(objective.terms.filter { $0.weight > 0 }.map { "\($0.weight) × \($0.name)" }.joined(separator: ", "))
        data: \(train.count) training jets in \(plural(train.paths.count, "file")), \
        \(validation?.count ?? 0) validation jets; \(train.classNames.count) classes
        run: \(options.run.directory), \(options.training.steps) steps of \(options.training.batchSize) jets
        """)
    for warning in RankPlacement.warnings(try RankPlacement.all(threads: threads, on: communicator)) {
        console.warn(warning)
    }
    let doubts = [
        EnvironmentWarnings.kernels(BLAS.coreName, better: BLAS.betterCore),
        communicator.rank == 0 ? EnvironmentWarnings.locks(of: options.run.directory) : nil,
    ]
    for case let warning? in doubts { console.warn(warning) }
    if let validation, validation.classNames != train.classNames {
        console.warn(
            "the validation files have the classes \(validation.classNames.joined(separator: ", ")), "
                + "the training files \(train.classNames.joined(separator: ", "))")
    }
}
