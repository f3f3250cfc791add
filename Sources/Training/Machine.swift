import Foundation
import HDF5
import Jets
import MPI
import NN
import Objectives
import Tensors

/// What this rank runs on.
enum Machine {
    /// Starts the pool with the given number of threads, by default the cores that this rank may use; returns
    /// it.
    static func useThreads(_ threads: Int?, on communicator: Communicator) throws -> Int {
        let hosts = try communicator.allGather(MPIEnvironment.processorName)
        let neighbours = hosts.count { $0 == MPIEnvironment.processorName }
        let threads = threads ?? defaultThreads(ranksOnHost: neighbours)
        BLAS.useCallingThreadOnly()
        ThreadPool.shared.resize(threads: threads)
        return threads
    }

    /// A rank that is bound has its cores to itself; ranks that are not bound share the cores of the host.
    private static func defaultThreads(ranksOnHost: Int) -> Int {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let usable = ThreadPool.usableCores
        return max(1, usable < cores ? usable : cores / ranksOnHost)
    }

    /// The peak of this process's memory so far [MiB].
    ///
    /// As the kernel tells it of this program: `getrusage` counts what the process was before that began, too.
    static var peakMemory: Double {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        if let kilobytes = status.firstMatch(of: /VmHWM:\s+(\d+) kB/).flatMap({ Double($0.1) }) { return kilobytes / 1024 }
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) / 1024
    }
}

/// Tells what starts: ranks and threads, libraries, model, data.
func reportStart(
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
    for warning in RankPlace.warnings(try RankPlace.all(threads: threads, on: communicator)) {
        console.warn(warning)
    }
    let doubts = [
        StartWarnings.kernels(BLAS.coreName, better: BLAS.betterCore),
        communicator.rank == 0 ? StartWarnings.locks(of: options.run.directory) : nil,
    ]
    for case let warning? in doubts { console.warn(warning) }
    if let validation, validation.classNames != train.classNames {
        console.warn(
            "the validation files have the classes \(validation.classNames.joined(separator: ", ")), "
                + "the training files \(train.classNames.joined(separator: ", "))")
    }
}

/// `1 rank`, `2 ranks`.
func plural(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }
