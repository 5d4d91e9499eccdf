"""The papers that objectives, samplers, backbones and scores come from, by arXiv id, for bibtex.py.

Titles and authors as arXiv has them; the year is that of the first version. A test holds these ids against those that
the code names, both ways.
"""

from typing import NamedTuple


class Paper(NamedTuple):
    """authors: `Given Surname, Given Surname, ..`, in order and complete."""

    title: str
    authors: str
    year: int


PAPERS = {
    "1606.03498": Paper(
        "Improved Techniques for Training GANs",
        "Tim Salimans, Ian Goodfellow, Wojciech Zaremba, Vicki Cheung, Alec Radford, Xi Chen",
        2016,
    ),
    "1706.08500": Paper(
        "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
        "Martin Heusel, Hubert Ramsauer, Thomas Unterthiner, Bernhard Nessler, Sepp Hochreiter",
        2017,
    ),
    "1711.05101": Paper("Decoupled Weight Decay Regularization", "Ilya Loshchilov, Frank Hutter", 2017),
    "1801.01401": Paper(
        "Demystifying MMD GANs",
        "Mikołaj Bińkowski, Danica J. Sutherland, Michael Arbel, Arthur Gretton",
        2018,
    ),
    "1904.06991": Paper(
        "Improved Precision and Recall Metric for Assessing Generative Models",
        "Tuomas Kynkäänniemi, Tero Karras, Samuli Laine, Jaakko Lehtinen, Timo Aila",
        2019,
    ),
    "2002.09797": Paper(
        "Reliable Fidelity and Diversity Metrics for Generative Models",
        "Muhammad Ferjad Naeem, Seong Joon Oh, Youngjung Uh, Yunjey Choi, Jaejun Yoo",
        2020,
    ),
    "2006.11239": Paper("Denoising Diffusion Probabilistic Models", "Jonathan Ho, Ajay Jain, Pieter Abbeel", 2020),
    "2010.02502": Paper("Denoising Diffusion Implicit Models", "Jiaming Song, Chenlin Meng, Stefano Ermon", 2020),
    "2102.09672": Paper("Improved Denoising Diffusion Probabilistic Models", "Alex Nichol, Prafulla Dhariwal", 2021),
    "2107.00630": Paper(
        "Variational Diffusion Models", "Diederik P. Kingma, Tim Salimans, Ben Poole, Jonathan Ho", 2021
    ),
    "2112.10752": Paper(
        "High-Resolution Image Synthesis with Latent Diffusion Models",
        "Robin Rombach, Andreas Blattmann, Dominik Lorenz, Patrick Esser, Björn Ommer",
        2021,
    ),
    "2202.00512": Paper(
        "Progressive Distillation for Fast Sampling of Diffusion Models", "Tim Salimans, Jonathan Ho", 2022
    ),
    "2204.00227": Paper(
        "Perception Prioritized Training of Diffusion Models",
        "Jooyoung Choi, Jungbeom Lee, Chaehun Shin, Sungwon Kim, Hyunwoo Kim, Sungroh Yoon",
        2022,
    ),
    "2206.00364": Paper(
        "Elucidating the Design Space of Diffusion-Based Generative Models",
        "Tero Karras, Miika Aittala, Timo Aila, Samuli Laine",
        2022,
    ),
    "2207.12598": Paper("Classifier-Free Diffusion Guidance", "Jonathan Ho, Tim Salimans", 2022),
    "2209.03003": Paper(
        "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow",
        "Xingchao Liu, Chengyue Gong, Qiang Liu",
        2022,
    ),
    "2211.01095": Paper(
        "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models",
        "Cheng Lu, Yuhao Zhou, Fan Bao, Jianfei Chen, Chongxuan Li, Jun Zhu",
        2022,
    ),
    "2212.09748": Paper("Scalable Diffusion Models with Transformers", "William Peebles, Saining Xie", 2022),
    "2212.11972": Paper(
        "Scalable Adaptive Computation for Iterative Generation", "Allan Jabri, David Fleet, Ting Chen", 2022
    ),
    "2301.11093": Paper(
        "simple diffusion: End-to-end diffusion for high resolution images",
        "Emiel Hoogeboom, Jonathan Heek, Tim Salimans",
        2023,
    ),
    "2301.13188": Paper(
        "Extracting Training Data from Diffusion Models",
        "Nicholas Carlini, Jamie Hayes, Milad Nasr, Matthew Jagielski, Vikash Sehwag, Florian Tramèr, Borja Balle, "
        "Daphne Ippolito, Eric Wallace",
        2023,
    ),
    "2302.00482": Paper(
        "Improving and generalizing flow-based generative models with minibatch optimal transport",
        "Alexander Tong, Kilian Fatras, Nikolay Malkin, Guillaume Huguet, Yanlei Zhang, Jarrid Rector-Brooks, "
        "Guy Wolf, Yoshua Bengio",
        2023,
    ),
    "2302.05442": Paper(
        "Scaling Vision Transformers to 22 Billion Parameters",
        "Mostafa Dehghani, Josip Djolonga, Basil Mustafa, Piotr Padlewski, Jonathan Heek, Justin Gilmer, Andreas "
        "Steiner, Mathilde Caron, Robert Geirhos, Ibrahim Alabdulmohsin, Rodolphe Jenatton, Lucas Beyer, Michael "
        "Tschannen, Anurag Arnab, Xiao Wang, Carlos Riquelme, Matthias Minderer, Joan Puigcerver, Utku Evci, Manoj "
        "Kumar, Sjoerd van Steenkiste, Gamaleldin F. Elsayed, Aravindh Mahendran, Fisher Yu, Avital Oliver, "
        "Fantine Huot, Jasmijn Bastings, Mark Patrick Collier, Alexey Gritsenko, Vighnesh Birodkar, Cristina "
        "Vasconcelos, Yi Tay, Thomas Mensink, Alexander Kolesnikov, Filip Pavetić, Dustin Tran, Thomas Kipf, Mario "
        "Lučić, Xiaohua Zhai, Daniel Keysers, Jeremiah Harmsen, Neil Houlsby",
        2023,
    ),
    "2303.00848": Paper(
        "Understanding Diffusion Objectives as the ELBO with Simple Data Augmentation",
        "Diederik P. Kingma, Ruiqi Gao",
        2023,
    ),
    "2303.01469": Paper("Consistency Models", "Yang Song, Prafulla Dhariwal, Mark Chen, Ilya Sutskever", 2023),
    "2303.09556": Paper(
        "Efficient Diffusion Training via Min-SNR Weighting Strategy",
        "Tiankai Hang, Shuyang Gu, Chen Li, Jianmin Bao, Dong Chen, Han Hu, Xin Geng, Baining Guo",
        2023,
    ),
    "2305.08891": Paper(
        "Common Diffusion Noise Schedules and Sample Steps are Flawed",
        "Shanchuan Lin, Bingchen Liu, Jiashi Li, Xiao Yang",
        2023,
    ),
    "2312.02696": Paper(
        "Analyzing and Improving the Training Dynamics of Diffusion Models",
        "Tero Karras, Miika Aittala, Jaakko Lehtinen, Janne Hellsten, Timo Aila, Samuli Laine",
        2023,
    ),
    "2401.11605": Paper(
        "Scalable High-Resolution Pixel-Space Image Synthesis with Hourglass Diffusion Transformers",
        "Katherine Crowson, Stefan Andreas Baumann, Alex Birch, Tanishq Mathew Abraham, Daniel Z. Kaplan, "
        "Enrico Shippole",
        2024,
    ),
    "2403.03206": Paper(
        "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis",
        "Patrick Esser, Sumith Kulal, Andreas Blattmann, Rahim Entezari, Jonas Müller, Harry Saini, Yam Levi, "
        "Dominik Lorenz, Axel Sauer, Frederic Boesel, Dustin Podell, Tim Dockhorn, Zion English, Kyle Lacey, "
        "Alex Goodwin, Yannik Marek, Robin Rombach",
        2024,
    ),
    "2403.13298": Paper(
        "Rotary Position Embedding for Vision Transformer",
        "Byeongho Heo, Song Park, Dongyoon Han, Sangdoo Yun",
        2024,
    ),
    "2404.07724": Paper(
        "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion Models",
        "Tuomas Kynkäänniemi, Miika Aittala, Tero Karras, Samuli Laine, Timo Aila, Jaakko Lehtinen",
        2024,
    ),
    "2405.20320": Paper("Improving the Training of Rectified Flows", "Sangyun Lee, Zinan Lin, Giulia Fanti", 2024),
    "2406.12303": Paper(
        "Immiscible Diffusion: Accelerating Diffusion Training with Noise Assignment",
        "Yiheng Li, Heyang Jiang, Akio Kodaira, Masayoshi Tomizuka, Kurt Keutzer, Chenfeng Xu",
        2024,
    ),
    "2406.14548": Paper(
        "Consistency Models Made Easy",
        "Zhengyang Geng, Ashwini Pokle, William Luo, Justin Lin, J. Zico Kolter",
        2024,
    ),
    "2407.03297": Paper(
        "Improved Noise Schedule for Diffusion Training", "Tiankai Hang, Shuyang Gu, Xin Geng, Baining Guo", 2024
    ),
    "2410.11081": Paper(
        "Simplifying, Stabilizing and Scaling Continuous-Time Consistency Models",
        "Cheng Lu, Yang Song",
        2024,
    ),
    "2410.12557": Paper(
        "One Step Diffusion via Shortcut Models",
        "Kevin Frans, Danijar Hafner, Sergey Levine, Pieter Abbeel",
        2024,
    ),
    "2410.19324": Paper(
        "Simpler Diffusion (SiD2): 1.5 FID on ImageNet512 with pixel-space diffusion",
        "Emiel Hoogeboom, Thomas Mensink, Jonathan Heek, Kay Lamerigts, Ruiqi Gao, Tim Salimans",
        2024,
    ),
    "2502.12154": Paper(
        "Diffusion Models without Classifier-free Guidance",
        "Zhicong Tang, Jianmin Bao, Dong Chen, Baining Guo",
        2025,
    ),
    "2505.13447": Paper(
        "Mean Flows for One-step Generative Modeling",
        "Zhengyang Geng, Mingyang Deng, Xingjian Bai, J. Zico Kolter, Kaiming He",
        2025,
    ),
    "2505.18521": Paper(
        "Improved Immiscible Diffusion: Accelerate Diffusion Training by Reducing Its Miscibility",
        "Yiheng Li, Feng Liang, Dan Kondratyuk, Masayoshi Tomizuka, Kurt Keutzer, Chenfeng Xu",
        2025,
    ),
    "2506.05350": Paper(
        "Contrastive Flow Matching",
        "George Stoica, Vivek Ramanujan, Xiang Fan, Ali Farhadi, Ranjay Krishna, Judy Hoffman",
        2025,
    ),
    "2511.13720": Paper("Back to Basics: Let Denoising Generative Models Denoise", "Tianhong Li, Kaiming He", 2025),
    "2512.02012": Paper(
        "Improved Mean Flows: On the Challenges of Fastforward Generative Models",
        "Zhengyang Geng, Yiyang Lu, Zongze Wu, Eli Shechtman, J. Zico Kolter, Kaiming He",
        2025,
    ),
}
