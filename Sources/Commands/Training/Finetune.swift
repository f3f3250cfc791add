import ArgumentParser

struct Finetune: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains a downstream task on a pre-trained backbone, or from scratch.",
        discussion: """
            The backbone is named by its checkpoint, whose model, features and preprocessing are taken over:

              kaon finetune configs/finetune-classification.yaml \\
                backbone=runs/mpmv2-kmeans/checkpoints/latest backbone_mode=fine_tuned data.jets=10000

            backbone_mode is fixed (the head alone learns), fine_tuned (the backbone rests for \
            fine_tuning.frozen_steps, then its learning rate catches up), or scratch (fresh weights). Folder, \
            signals, resuming and exit codes are those of kaon pretrain.
            """)

    @OptionGroup var arguments: ConfigurationArguments

    func run() { arguments.train(as: .finetune) }
}
